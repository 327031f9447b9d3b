import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { assignment, openMesh, quick, targets } from '../testing/mesh-stream.ts'
import { type ServiceProcess, startAgent } from '../testing/service-process.ts'

let agent: ServiceProcess
let client: IndependentClient

beforeAll(async () => {
  agent = await startAgent()
  client = openIndependentClient(agent.port)
})
afterAll(async () => {
  client.close()
  await agent.stop('SIGTERM')
})

describe('a target that the agent may not measure', () => {
  test('is reported by its id, and the others are probed', async () => {
    const groups = [{ ...quick, targets: [...targets(1, 2), { id: 9, address: '192.0.2.9' }] }]
    const mesh = openMesh(client, assignment([], { groups }))
    await mesh.until(() => mesh.windowsOf(1).length > 1 && mesh.windowsOf(2).length > 1)
    expect(mesh.seen.batches.at(-1)?.problems).toEqual([
      expect.objectContaining({
        targetIds: [9],
        reason: expect.stringMatching(/^not in a network that this agent may measure \(127/),
      }),
    ])
    mesh.assign(assignment([1, 2]))
    await mesh.until(({ batches }) => (batches.at(-1)?.problems ?? []).length === 0)
    await mesh.end()
    expect(mesh.windowsOf(9)).toEqual([])
  })

  test('alone leaves the stream open', async () => {
    const groups = [{ ...quick, targets: [{ id: 9, address: '192.0.2.9' }] }]
    const mesh = openMesh(client, assignment([], { groups }))
    await mesh.until(({ batches }) => batches.length >= 2)
    await mesh.end()
    expect(mesh.seen.failure).toBeUndefined()
    expect(mesh.seen.batches.at(-1)?.problems).toMatchObject([{ targetIds: [9] }])
  })
})
