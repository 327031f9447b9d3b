import type { TrafficServiceImplementation, TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import type { Traffics } from '../traffic/traffics.ts'

const DEFAULT_PAGE = 500
const MAX_PAGE = 5000

const needed = (spec: TrafficSpec | undefined): TrafficSpec => {
  throwIfInvalid(
    'the request',
    spec ? [] : [{ field: 'spec', description: 'which flows to keep up is needed' }],
  )
  return spec!
}

const readToken = (token: string): number => {
  const offset = token === '' ? 0 : Number(token)
  const field = 'page_token'
  const isToken = Number.isInteger(offset) && offset >= 0
  throwIfInvalid('the request', isToken ? [] : [{ field, description: 'is none that this call gave' }])
  return offset
}

export const createTrafficService = (traffics: Traffics): TrafficServiceImplementation => ({
  startTraffic: async (request) => ({ traffic: await traffics.start(needed(request.spec)) }),
  getTraffic: async (request) => ({ traffic: traffics.get(request.id) }),
  listTraffic: async () => ({ traffic: traffics.list() }),
  listFlows: async ({ id, node, pageSize, pageToken }) => {
    const offset = readToken(pageToken)
    const size = Math.min(pageSize || DEFAULT_PAGE, MAX_PAGE)
    const { flows, isLast } = traffics.flows(id, { node, offset, size })
    return { flows, nextPageToken: isLast ? '' : String(offset + size) }
  },
  async *watchTraffic(request, { signal }) {
    for await (const traffic of traffics.watch(request.id, signal)) yield { traffic }
  },
  stopTraffic: async (request) => ({ traffic: await traffics.stop(request.id) }),
})
