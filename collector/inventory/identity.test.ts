import { describe, expect, test } from 'vitest'
import { nameKey } from './agent-address.ts'
import type { InventoryNode } from './config.ts'
import { identityProblem } from './identity.ts'

const entry = (name: string, address = '10.0.0.1:50051'): InventoryNode => ({
  name,
  address,
  rack: '',
  labels: {},
  interfaces: [],
})
const fleet = new Map(['gpu-01', 'gpu-02', '10.0.0.1', 'gpu-05-ib'].map((name) => [nameKey(name), name]))
const problemOf = (node: InventoryNode, reported: string, hostname = reported, isNameConfigured = false) =>
  identityProblem(node, { node: reported, hostname, isNameConfigured }, (name) => fleet.get(nameKey(name)))

describe('the agent of the node', () => {
  test.each([
    ['has its name', entry('gpu-01'), 'gpu-01', 'gpu-01', true],
    ['has it in other spelling', entry('gpu-01'), 'GPU-01.', 'gpu-01', true],
    ['reports its domain', entry('gpu-01'), 'gpu-01.example.org', 'gpu-01.example.org', false],
    ['is named without its domain', entry('gpu-01.example.org'), 'gpu-01', 'gpu-01', false],
    ['has a host name that is no node', entry('gpu-01'), 'ip-10-0-0-1', 'ip-10-0-0-1', false],
    ['of a hosts list is named after its address', entry('10.0.0.1'), 'gpu-77', 'gpu-77', true],
    [
      'of a hosts list is named after an alias',
      entry('gpu-05-ib', 'gpu-05-ib:50051'),
      'gpu-05',
      'gpu-05',
      true,
    ],
    ['is an old one without a name', entry('gpu-01'), '', '', false],
  ])('%s', (_, node, reported, hostname, isConfigured) => {
    expect(problemOf(node, reported, hostname, isConfigured)).toBe('')
  })
})

describe('the agent of another machine', () => {
  test('has the name of another node', () => {
    expect(problemOf(entry('gpu-01'), 'gpu-02')).toBe(
      'the agent at 10.0.0.1:50051 is that of gpu-02, not of gpu-01; correct the address, or start the agent with --node gpu-01',
    )
  })
  test('has a configured name that is no node', () => {
    expect(problemOf(entry('gpu-01'), 'gpu-77', 'h77', true)).toMatch(
      /is that of gpu-77 on host h77, not of gpu-01/,
    )
  })
  test('has the name of another node of a hosts list', () => {
    expect(problemOf(entry('10.0.0.9', '10.0.0.9:50051'), 'gpu-02')).toMatch(
      /is that of gpu-02, not of 10.0.0.9/,
    )
  })
})
