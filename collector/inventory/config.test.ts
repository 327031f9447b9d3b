import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { SCHEDULE_SECTION } from '../schedules/define/schema.ts'
import { readYamlConfig } from './config.ts'
import { readHostsList } from './hosts-list.ts'

const folder = new URL('fixtures/bad/', import.meta.url)
const read = (file: string): unknown => {
  const text = readFileSync(new URL(file, folder), 'utf8')
  return file.endsWith('.yaml') ? readYamlConfig(file, text, SCHEDULE_SECTION) : readHostsList(file, text)
}

describe('a bad config file gets one message with every problem and its location', () => {
  const files = readdirSync(folder).filter((file) => !file.endsWith('.message'))
  test.each(files)('%s', async (file) => {
    let message = 'was accepted'
    try {
      read(file)
    } catch (error) {
      message = (error as Error).message
    }
    await expect(`${message}\n`).toMatchFileSnapshot(`fixtures/bad/${file}.message`)
  })
})

describe('good config', () => {
  test('fills in ports and defaults', () => {
    const { nodes } = readYamlConfig(
      'fleet.yaml',
      'nodes:\n  - { name: a, address: "fd00::1" }\n  - { name: b, address: "b.example:7000" }\n',
      SCHEDULE_SECTION,
    )
    expect(nodes).toEqual([
      { name: 'a', address: '[fd00::1]:50051', rack: '', labels: {}, interfaces: [] },
      { name: 'b', address: 'b.example:7000', rack: '', labels: {}, interfaces: [] },
    ])
  })

  test('a hosts list names nodes after their addresses', () => {
    const nodes = readHostsList('hosts.txt', '10.0.1.20\n\n  10.0.1.21 # spare\n')
    expect(nodes.map(({ name, address }) => [name, address])).toEqual([
      ['10.0.1.20', '10.0.1.20:50051'],
      ['10.0.1.21', '10.0.1.21:50051'],
    ])
  })

  test('an entry with lists of Slurm is several nodes', () => {
    const { nodes } = readYamlConfig(
      'fleet.yaml',
      'nodes:\n  - { name: "gpu-[01-02]", address: "10.0.0.[1-2]", rack: r1 }\n',
      SCHEDULE_SECTION,
    )
    expect(nodes.map(({ name, address, rack }) => [name, address, rack])).toEqual([
      ['gpu-01', '10.0.0.1:50051', 'r1'],
      ['gpu-02', '10.0.0.2:50051', 'r1'],
    ])
  })

  test('a line of a hosts list may be a list of Slurm', () => {
    const nodes = readHostsList('hosts.txt', 'gpu-[01-02],login1\r\n[fd00::2]\nFD00::3\nhead.example.\n')
    expect(nodes.map(({ name, address }) => [name, address])).toEqual([
      ['gpu-01', 'gpu-01:50051'],
      ['gpu-02', 'gpu-02:50051'],
      ['login1', 'login1:50051'],
      ['[fd00::2]', '[fd00::2]:50051'],
      ['FD00::3', '[fd00::3]:50051'],
      ['head.example', 'head.example:50051'],
    ])
  })
})
