import {
  type TrafficServiceImplementation,
  TrafficSpec as TrafficSpecMessage,
} from '#proto/meshgauge/collector/v1/traffic.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { pageOf, pageSizeOf, readPageToken, writePageToken } from '../../lib/paging.ts'
import type { TrafficSpec } from '../traffic/assign/traffic-spec.ts'
import { trafficSpecMessage, trafficSpecOf } from '../traffic/assign/traffic-spec-message.ts'
import type { Traffic } from '../traffic/traffic.ts'
import { trafficMessage } from '../traffic/traffic-message.ts'
import type { Traffics } from '../traffic/traffics.ts'
import { createIdempotency, sameMessage } from './request-ids.ts'

/** @throws OperatingError SPEC_INVALID when the spec is absent */
const requireSpec = (spec: TrafficSpecMessage | undefined): TrafficSpec => {
  throwIfInvalid('the request', spec ? [] : [{ field: 'spec', description: 'is missing' }])
  return trafficSpecOf(spec!)
}

const isFrom = (spec: TrafficSpec, traffic: Traffic): boolean =>
  sameMessage(TrafficSpecMessage, trafficSpecMessage(spec), trafficSpecMessage(traffic.spec))

export const createTrafficService = (traffics: Traffics): TrafficServiceImplementation => {
  const idempotent = createIdempotency((requestId) => traffics.ofRequest(requestId))
  return {
    async startTraffic(request) {
      const spec = requireSpec(request.spec)
      const traffic = await idempotent(request.requestId, {
        content: TrafficSpecMessage.encode(trafficSpecMessage(spec)).finish(),
        isFrom: (existing) => isFrom(spec, existing),
        create: () => traffics.start(spec, request.requestId),
      })
      return { traffic: trafficMessage(traffic) }
    },
    getTraffic: async (request) => ({ traffic: trafficMessage(traffics.get(request.trafficId)) }),
    async listTraffic(request) {
      const { items, nextPageToken } = pageOf('traffic', traffics.list(), request)
      return { traffic: items.map(trafficMessage), nextPageToken }
    },
    async listFlows({ trafficId, node, pageSize, pageToken }) {
      const offset = readPageToken('flows', pageToken)?.[0] ?? 0
      const size = pageSizeOf(pageSize)
      const { flows, isLast } = traffics.flows(trafficId, { node, offset, size })
      return { flows, nextPageToken: isLast ? '' : writePageToken('flows', offset + size) }
    },
    async *watchTraffic(request, { signal }) {
      for await (const traffic of traffics.watch(request.trafficId, signal))
        yield { traffic: trafficMessage(traffic) }
    },
    stopTraffic: async (request) => ({ traffic: trafficMessage(await traffics.stop(request.trafficId)) }),
  }
}
