import type {
  TrafficFlow,
  TrafficServiceImplementation,
  TrafficSpec,
} from '#proto/meshgauge/collector/v1/traffic.ts'
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

/** node-2 before node-10. */
const { compare: byName } = new Intl.Collator('en', { numeric: true })
const nameOf = ({ source, destination }: TrafficFlow): string =>
  `${source!.node} ${destination!.node} ${source!.interface}`

const pageOf = (flows: TrafficFlow[], size: number, token: string) => {
  const offset = token === '' ? 0 : Number(token)
  const field = 'page_token'
  const isToken = Number.isInteger(offset) && offset >= 0
  throwIfInvalid('the request', isToken ? [] : [{ field, description: 'is none that this call gave' }])
  const end = offset + Math.min(size || DEFAULT_PAGE, MAX_PAGE)
  return { flows: flows.slice(offset, end), nextPageToken: end < flows.length ? String(end) : '' }
}

export const createTrafficService = (traffics: Traffics): TrafficServiceImplementation => ({
  startTraffic: async (request) => ({ traffic: await traffics.start(needed(request.spec)) }),
  getTraffic: async (request) => ({ traffic: traffics.get(request.id) }),
  listTraffic: async () => ({ traffic: traffics.list() }),
  listFlows: async ({ id, node, pageSize, pageToken }) => {
    const flows = traffics
      .flows(id)
      .filter(({ source, destination }) => node === '' || source!.node === node || destination!.node === node)
      .sort((a, b) => Number(a.moving) - Number(b.moving) || byName(nameOf(a), nameOf(b)))
    return pageOf(flows, pageSize, pageToken)
  },
  async *watchTraffic(request, { signal }) {
    for await (const traffic of traffics.watch(request.id, signal)) yield { traffic }
  },
  stopTraffic: async (request) => ({ traffic: await traffics.stop(request.id) }),
})
