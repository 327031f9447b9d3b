import { afterEach, expect, test } from 'vitest'
import { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { closeCollectors, collectorWith, runCommand } from './testing/run-command.ts'
import { testTerminal } from './testing/test-terminal.ts'

afterEach(closeCollectors)

/** A terminal whose clock does not wait, and that presses Ctrl-C in the given wait. */
const impatient = (waits: number) => {
  const terminal = testTerminal()
  let count = 0
  const sleep = async (_seconds: number, signal?: AbortSignal) => {
    count++
    if (count === waits) terminal.interrupt()
    signal?.throwIfAborted()
  }
  return { ...terminal, clock: { ...terminal.clock, sleep } }
}

const growingFleet = () => {
  let calls = 0
  return collectorWith({
    fleet: {
      listNodes: async () => {
        calls++
        // The second answer is the same as the first one.
        return { nodes: [Node.fromPartial({ name: calls < 3 ? 'gpu-01' : 'gpu-02' })] }
      },
    },
  })
}

test('--watch prints a list when it has changed, until Ctrl-C', async () => {
  const { code, out } = await runCommand(await growingFleet(), 'nodes --watch', impatient(3))
  expect(code).toBe(0)
  const names = out.split('\n').filter((line) => line.startsWith('gpu'))
  expect(names.map((line) => line.split(' ')[0])).toEqual(['gpu-01', 'gpu-02'])
})

test('--watch --json prints one document per line', async () => {
  const { out } = await runCommand(await growingFleet(), 'nodes --watch --json', impatient(3))
  const documents = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(documents.map(({ nodes }) => nodes[0].name)).toEqual(['gpu-01', 'gpu-02'])
})

test('an error ends --watch as it ends the list', async () => {
  const { code, err } = await runCommand({ address: '127.0.0.1:1' }, 'nodes --watch', impatient(3))
  expect([code, err]).toEqual([3, expect.stringContaining('No collector answers')])
})
