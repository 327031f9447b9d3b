import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { MeshAssignment, MeshBatch, type PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import { systemClock } from '../../../lib/clock.ts'
import { createLogger } from '../../../lib/logging.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import type { Window } from '../../store/windows.ts'
import type { NodePlan } from '../assign/assignment.ts'
import { createMeshAgent, type MeshAgentDeps } from './mesh-agent.ts'
import type { BatchSender } from './recorder.ts'

const SESSION = 's1'

const planOf = (...interfaces: string[]): NodePlan => ({
  node: 'a',
  assignment: MeshAssignment.fromPartial({ groups: interfaces.map((name) => ({ interface: name })) }),
  targets: new Map(),
})

const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await setImmediate()
}

/** Starts an agent that sends the given batches; each new stream begins with all of them again. */
const startAgent = (deps: Partial<MeshAgentDeps> = {}) => {
  let send: (batch: MeshBatch) => void = () => undefined
  const unacknowledged: MeshBatch[] = []
  async function* mesh(_: unknown, { signal }: { signal: AbortSignal }): AsyncGenerator<PingMeshResponse> {
    const queue = [...unacknowledged]
    let wake = () => undefined as void
    signal.addEventListener('abort', () => wake())
    send = (batch) => {
      queue.push(batch)
      unacknowledged.push(batch)
      wake()
    }
    yield { event: { $case: 'started', value: { session: SESSION, engines: [] } } }
    for (;;) {
      signal.throwIfAborted()
      const value = queue.shift()
      if (value) yield { event: { $case: 'batch', value } }
      else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  }
  const agent = createMeshAgent(
    {
      clock: systemClock,
      logger: createLogger('test', 'silent'),
      random: () => 0,
      owner: 'o',
      fleet: { connection: () => ({ ping: { pingMesh: mesh } }) as never },
      mayReach: () => true,
      ingest: () => [],
      recorder: { add: () => true, forget: () => undefined },
      persistedOffset: { session: SESSION, offsetMs: 0 },
      persistOffset: () => undefined,
      onWindows: () => undefined,
      onDropped: () => undefined,
      onEchoRequests: () => undefined,
      onDelivering: () => undefined,
      persistedDropped: undefined,
      persistDropped: () => undefined,
      ...deps,
    },
    planOf('net0', 'net1'),
  )
  const batch = async (fields: Parameters<typeof MeshBatch.fromPartial>[0]) => {
    await settle()
    send(MeshBatch.fromPartial({ sendTime: toTimestamp(new Date()), ...fields }))
    await settle()
  }
  return { agent, batch }
}

test('a reported interface problem names its interface while a newer assignment is being sent', async () => {
  const { agent, batch } = startAgent()
  agent.assign(planOf('net2', 'net3'))
  await batch({ sequence: 1, problems: [{ groupIndex: 1, interface: 'net1', reason: 'down' }] })
  expect([...agent.interfaceProblems()]).toEqual([['net1', 'down']])
  // Older agents report only the index of the group.
  await batch({ sequence: 2, problems: [{ groupIndex: 1, reason: 'down' }] })
  expect([...agent.interfaceProblems()]).toEqual([['net3', 'down']])
  await agent.close()
})

test('windows of a refused batch are counted once, when the agent sends it again', async () => {
  let hasSpace = false
  let sender: BatchSender | undefined
  let counted = 0
  const { agent, batch } = startAgent({
    ingest: () => [{}, {}, {}] as Window[],
    recorder: {
      add: (_, of) => {
        sender = of
        return hasSpace
      },
      forget: () => undefined,
    },
    onWindows: (count) => {
      counted += count
    },
  })
  await batch({ sequence: 1, windows: [{}] })
  expect(counted).toBe(0)
  hasSpace = true
  sender!.onSpace()
  await vi.waitFor(() => expect(counted).toBe(3))
  await agent.close()
})

test('batches without windows are acknowledged with the next full batch, or 16 together', async () => {
  const marks: number[] = []
  const { agent, batch } = startAgent({
    recorder: {
      add: (_, __, ___, sequence) => {
        marks.push(sequence)
        return true
      },
      forget: () => undefined,
    },
  })
  for (let sequence = 1; sequence <= 40; sequence++)
    await batch({ sequence, windows: sequence === 5 ? [{}] : [] })
  expect(marks).toEqual([5, 16, 32])
  await agent.close()
})

test('a target that the agent refuses is the problem of its path, not of its interface', async () => {
  const { agent, batch } = startAgent()
  await batch({
    sequence: 1,
    problems: [{ groupIndex: 0, interface: 'net0', reason: 'not in a network', targetIds: [7, 8] }],
  })
  expect([6, 7, 8].map((id) => agent.pathProblems().get(id) ?? '')).toEqual([
    '',
    'not in a network',
    'not in a network',
  ])
  expect(agent.interfaceProblems().size).toBe(0)
  expect(agent.problems()).toEqual(['a does not probe 2 of its targets: not in a network'])
  await agent.close()
})
