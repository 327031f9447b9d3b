import { expect, test, vi } from 'vitest'
import { ClientError, Status } from '../../../lib/errors.ts'
import { createNode, type FleetNode, type NodeState } from '../../inventory/node.ts'
import { createMeshTime } from '../mesh-time.ts'
import { createMeshAgents } from './mesh-agents.ts'

const nodeOf = (name: string, state: NodeState): FleetNode => createNode({ name, state })

test('an agent that refuses is not called again when another node becomes ready or silent', async () => {
  const mesh = vi.fn(() => {
    throw new ClientError('mesh', Status.FAILED_PRECONDITION, 'assigned by another collector')
  })
  const clock = {
    now: () => new Date(0),
    monotonicSeconds: () => 0,
    yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
    sleep: (_: number, signal?: AbortSignal) =>
      new Promise<void>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  }
  const nothing = () => undefined
  const agents = createMeshAgents({
    logger: { warn: nothing, error: nothing } as never,
    random: () => 1,
    fleet: { connection: () => ({ ping: { pingMesh: mesh } }) } as never,
    store: { identity: () => 'us' } as never,
    observer: { observeAssignment: nothing } as never,
    time: { clock, shiftMs: () => 0, onStep: nothing },
    persisted: { documents: () => new Map(), put: nothing, flush: nothing },
    recorder: { forget: nothing } as never,
    ingest: () => [],
    onEchoRequests: nothing,
    onDelivering: nothing,
    onLeft: nothing,
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const assignment = { groups: [], window: undefined, outlive: undefined }
  agents.apply('a', { node: 'a', assignment, targets: new Map() })
  await turn()
  expect(mesh).toHaveBeenCalledTimes(1)
  for (const [state, ofOther, calls] of [
    ['ready', 'ready', 2],
    ['ready', 'silent', 2],
    ['ready', 'ready', 2],
    ['silent', 'ready', 2],
    ['ready', 'ready', 3],
  ] as const) {
    agents.wake([nodeOf('a', state), nodeOf('b', ofOther)])
    await turn()
    expect(mesh).toHaveBeenCalledTimes(calls)
  }
  await agents.close()
})

test('a step of the wall clock moves the stored offsets, so that a restarted collector places windows the same', () => {
  let stepped = 0
  const clock = {
    now: () => new Date(1_000_000 + stepped),
    monotonicSeconds: () => 0,
    sleep: () => new Promise<void>(() => undefined),
    yield: async () => undefined,
  }
  const time = createMeshTime(clock)
  const stored = new Map([['mesh-clock a', { session: 'one', offsetMs: 250 }]])
  const nothing = () => undefined
  createMeshAgents({
    logger: {} as never,
    random: () => 1,
    fleet: {} as never,
    store: { identity: () => 'us' } as never,
    observer: {} as never,
    time,
    persisted: {
      documents: (kind) =>
        new Map(
          [...stored]
            .filter(([key]) => key.startsWith(`${kind} `))
            .map(([key, value]) => [key.split(' ')[1]!, new TextEncoder().encode(JSON.stringify(value))]),
        ),
      put: (kind, name, value) => void stored.set(`${kind} ${name}`, value as never),
      flush: nothing,
    },
    recorder: {} as never,
    ingest: () => [],
    onEchoRequests: nothing,
    onDelivering: nothing,
    onLeft: nothing,
  })
  expect(time.shiftMs()).toBe(0)
  stepped = 3_600_000
  expect(time.shiftMs()).toBe(3_600_000)
  expect(stored.get('mesh-clock a')).toEqual({ session: 'one', offsetMs: 3_600_250 })
})
