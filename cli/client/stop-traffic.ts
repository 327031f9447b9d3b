import type { Traffic } from '#proto/meshgauge/collector/v1/traffic.ts'
import { fromClientError } from '../../lib/errors.ts'
import type { CollectorClient } from './connection.ts'

/** Stopping waits for the last process on every node that answers. */
export const STOP_DEADLINE_MS = 120_000

/** Stops a traffic. One that has ended in the meantime is returned as it is. */
export const stopIfActive = async (
  { traffic: traffics }: CollectorClient,
  trafficId: string,
): Promise<Traffic | undefined> => {
  try {
    return (await traffics.stopTraffic({ trafficId }, { deadline: STOP_DEADLINE_MS })).traffic
  } catch (error) {
    if (fromClientError(error)?.reason !== 'TRAFFIC_NOT_ACTIVE') throw error
    return (await traffics.getTraffic({ trafficId })).traffic
  }
}
