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
})
