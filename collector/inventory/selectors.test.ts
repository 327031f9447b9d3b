import { describe, expect, test } from 'vitest'
import { selectNodes } from './selectors.ts'
import { sampleNode } from './testing/nodes.ts'

const fleet = ['gpu-01', 'gpu-02', 'gpu-03', 'login1'].map((name, index) =>
  sampleNode(
    name,
    { net0: [`10.0.0.${index + 1}/24`, `FD00::${index + 1}/64`] },
    { address: `[fd00:1::${index + 1}]:50051`, rack: index < 2 ? 'r1' : 'r2' },
  ),
)
const select = (...selectors: string[]) =>
  selectNodes(fleet, selectors, 'nodes').nodes.map(({ name }) => name)
const problems = (...selectors: string[]) =>
  selectNodes(fleet, selectors, 'nodes').violations.map(({ field, description }) => `${field} ${description}`)

describe('selects', () => {
  test.each([
    ['a name', ['gpu-02'], ['gpu-02']],
    ['a name in other spelling', ['GPU-02.'], ['gpu-02']],
    ['a list of Slurm', ['gpu-[01,03]'], ['gpu-01', 'gpu-03']],
    ['several in the order of the fleet', ['login[1-1]', 'gpu-[02-03]'], ['gpu-02', 'gpu-03', 'login1']],
    ['a label', ['rack=r2'], ['gpu-03', 'login1']],
    ['an address of an interface', ['10.0.0.3'], ['gpu-03']],
    ['an IPv6 address in other spelling', ['fd00:0::0002'], ['gpu-02']],
    ['the address of the agent', ['fd00:1::1'], ['gpu-01']],
    ['the address of the agent with its port', ['[fd00:1::4]:50051'], ['login1']],
    ['a list of addresses', ['10.0.0.[1-2]'], ['gpu-01', 'gpu-02']],
    ['all without a selector', [], ['gpu-01', 'gpu-02', 'gpu-03', 'login1']],
  ])('%s', (_, selectors, names) => {
    expect(select(...selectors)).toEqual(names)
    expect(problems(...selectors)).toEqual([])
  })
})

test('names that match no node are reported together, each selector once', () => {
  expect(problems('gpu-[02-05]', 'gpu-1', '10.0.0.9', 'n[2-1]')).toEqual([
    'nodes[0] gpu-04, gpu-05 name no nodes of the fleet; did you mean gpu-01?',
    'nodes[1] "gpu-1" names no node of the fleet; did you mean gpu-01?',
    'nodes[2] "10.0.0.9" is the address of no node of the fleet; the fleet has 4 nodes',
    'nodes[3] the range 2-1 in "n[2-1]" ends before it begins',
  ])
})
