import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { MeshAssignment, MeshBatch, type PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import { systemClock } from '../../../lib/clock.ts'
import { createLogger } from '../../../lib/logging.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import type { Window } from '../../store/windows.ts'
import type { NodePlan } from '../assign/planner.ts'
import type { Sender } from '../state/recorder.ts'
import { createMeshAgent, type MeshAgentDeps } from './mesh-agent.ts'

const SESSION = 's1'

const planOf = (...interfaces: string[]): NodePlan => ({
  node: 'a',
  assignment: MeshAssignment.fromPartial({ groups: interfaces.map((name) => ({ interface: name })) }),
  targets: new Map(),
})

const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await setImmediate()
}

/** An agent that sends what it is told; each stream begins with what was not acknowledged. */
const startAgent = (deps: Partial<MeshAgentDeps> = {}) => {
  let send: (batch: MeshBatch) => void = () => undefined
  const held: MeshBatch[] = []
  async function* mesh(_: unknown, { signal }: { signal: AbortSignal }): AsyncGenerator<PingMeshResponse> {
    const queue = [...held]
    let wake = () => undefined as void
    signal.addEventListener('abort', () => wake())
    send = (batch) => {
      queue.push(batch)
      held.push(batch)
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
      ingest: { batch: () => [] },
      recorder: { add: () => true, forget: () => undefined },
      keptOffset: { session: SESSION, offsetMs: 0 },
      keepOffset: () => undefined,
      onWindows: () => undefined,
      onDropped: () => undefined,
      onEchoes: () => undefined,
      onDelivering: () => undefined,
      keptDropped: undefined,
      keepDropped: () => undefined,
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

test('trouble of an interface stays its own while a newer assignment is on its way', async () => {
  const { agent, batch } = startAgent()
  agent.assign(planOf('net2', 'net3'))
  await batch({ sequence: 1, problems: [{ groupIndex: 1, interface: 'net1', reason: 'down' }] })
  expect([...agent.troubles()]).toEqual([['net1', 'down']])
  // An older agent tells its position only.
  await batch({ sequence: 2, problems: [{ groupIndex: 1, reason: 'down' }] })
  expect([...agent.troubles()]).toEqual([['net3', 'down']])
  await agent.close()
})

test('windows that there was no room for are counted when they come again, once', async () => {
  let hasRoom = false
  let sender: Sender | undefined
  let counted = 0
  const { agent, batch } = startAgent({
    ingest: { batch: () => [{}, {}, {}] as Window[] },
    recorder: {
      add: (_, of) => {
        sender = of
        return hasRoom
      },
      forget: () => undefined,
    },
    onWindows: (count) => {
      counted += count
    },
  })
  await batch({ sequence: 1, windows: [{}] })
  expect(counted).toBe(0)
  hasRoom = true
  sender!.onRoom()
  await vi.waitFor(() => expect(counted).toBe(3))
  await agent.close()
})

test('signs of life are acknowledged with what comes after them, or a few together', async () => {
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
