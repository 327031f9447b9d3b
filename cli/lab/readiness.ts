import { NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { createServiceClient, HealthDefinition, openChannel } from '../../lib/calling.ts'
import type { Clock } from '../../lib/clock.ts'
import type { CollectorClient } from '../client/connection.ts'
import { readAll } from '../client/paging.ts'

/** A lab is reachable only from this machine, so it needs no certificates. */
export const LAB_SECURITY = { insecure: true } as const

const ASK_DEADLINE_MS = 2000

/** Resolves if the server at the address reports SERVING, rejects otherwise. */
export const waitHealthy = async (address: string, signal: AbortSignal): Promise<void> => {
  const channel = openChannel(address, LAB_SECURITY)
  try {
    const client = createServiceClient(HealthDefinition, channel)
    // Status 1 is SERVING in grpc.health.v1.
    const { status } = await client.check({ service: '' }, { signal, deadline: ASK_DEADLINE_MS })
    if (Number(status) !== 1) throw new Error(`it is not serving (status ${status})`)
  } finally {
    channel.close()
  }
}

const POLL_SECONDS = 0.1
const NODES_READY_WITHIN_SECONDS = 20

/** Waits until all nodes are ready, at most 20 s. Returns the number of ready nodes and the silent ones with reasons. */
export const waitForNodes = async (
  client: CollectorClient,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ ready: number; silent: string[] }> => {
  const deadline = clock.monotonicSeconds() + NODES_READY_WITHIN_SECONDS
  for (;;) {
    const nodes = await readAll(
      (page) => client.fleet.listNodes(page, { signal }),
      ({ nodes }) => nodes,
    )
    const silent = nodes.filter(({ state }) => state !== NodeState.NODE_STATE_READY)
    if (silent.length === 0 || clock.monotonicSeconds() > deadline) {
      return {
        ready: nodes.length - silent.length,
        silent: silent.map(({ name, stateReason }) => `${name}: ${stateReason}`),
      }
    }
    await clock.sleep(POLL_SECONDS, signal)
  }
}
