import type { Timestamp } from '#proto/google/protobuf/timestamp.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type {
  GetMeshMatrixRequest,
  GetMeshMatrixResponse,
  GetPathHistoryRequest,
  GetPathHistoryResponse,
  ListPathsRequest,
  ListPathsResponse,
  MeshEvent,
  MeshServiceImplementation,
  PathWindow,
} from '#proto/meshgauge/collector/v1/mesh.ts'
import { type MatrixCell, Measure } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError, throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { quantile } from '../../lib/histogram.ts'
import { fromTimestamp, toTimestamp } from '../../lib/protobuf-time.ts'
import type { MeshController } from '../mesh/mesh-controller.ts'
import { compareNames, sortPaths } from '../mesh/view/path-messages.ts'
import type { PathKey, Window, WindowStore } from '../store/windows.ts'

/** As mesh.proto promises. */
const PATH_PAGE = { usual: 500, largest: 5000 }
const EVENT_PAGE = { usual: 500, largest: 5000 }
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** A cell takes about 14 bytes of a message of at most 16 MiB. */
const MAX_CELLS = 1_000_000

type Deps = {
  clock: Clock
  meshes: Pick<MeshController, 'get' | 'paths' | 'pathMessage' | 'watch'>
  store: Pick<WindowStore, 'paths' | 'history' | 'aggregate' | 'meshEvents'>
}

type Range = { fromMs: number; toMs: number }

const rangeOf = (
  { startTime, endTime }: { startTime?: Timestamp | undefined; endTime?: Timestamp | undefined },
  usualMs: number,
  nowMs: number,
): Range & { violations: Violation[] } => {
  const toMs = fromTimestamp(endTime)?.getTime() ?? nowMs
  const fromMs = fromTimestamp(startTime)?.getTime() ?? toMs - usualMs
  const violations = fromMs < toMs ? [] : [{ field: 'start_time', description: 'is not before end_time' }]
  return { fromMs, toMs, violations }
}

const pageSizeOf = (asked: number, { usual, largest }: { usual: number; largest: number }): number =>
  asked === 0 ? usual : Math.min(asked, largest)

/** A place in a list that changes: a path that becomes worse meanwhile may be seen twice, or moves a place. */
const readPlace = (token: string): number => {
  if (token === '') return 0
  const match = /^p(\d{1,9})$/.exec(Buffer.from(token, 'base64url').toString())
  if (match) return Number(match[1])
  const problem = 'is not a next_page_token of this list'
  throw new OperatingError('SPEC_INVALID', `page_token: ${problem}`, [
    { field: 'page_token', description: problem },
  ])
}
const writePlace = (place: number): string => Buffer.from(`p${place}`).toString('base64url')

const listPaths = ({ meshes }: Deps, request: ListPathsRequest): ListPathsResponse => {
  const from = readPlace(request.pageToken)
  const states = new Set(request.states)
  const wanted = meshes
    .paths()
    .filter(
      ({ path: { source, destination }, state }) =>
        (request.node === '' || source.node === request.node || destination.node === request.node) &&
        (request.interface === '' || source.interface === request.interface) &&
        (states.size === 0 || states.has(state)),
    )
  const to = from + pageSizeOf(request.pageSize, PATH_PAGE)
  const page = sortPaths(wanted).slice(from, to)
  return {
    paths: page.map(({ path, state }) => meshes.pathMessage(path, state)),
    nextPageToken: to < wanted.length ? writePlace(to) : '',
  }
}

const at = (ms: number) => toTimestamp(new Date(ms))

const quantileOf = (window: Window, q: number): number => {
  const histogram = {
    scale: 5,
    offset: window.histogramOffset,
    counts: [...window.histogramCounts],
    sum: undefined,
  }
  const found = quantile(histogram, q) ?? 0
  return Math.min(window.rttMaxSeconds, Math.max(window.rttMinSeconds, found))
}

const lossOf = ({ sentCount, receivedCount }: Window): number =>
  sentCount === 0 ? 0 : (sentCount - receivedCount) / sentCount

const windowMessage = (window: Window): PathWindow => {
  const { receivedCount } = window
  return {
    startTime: at(window.startMs),
    endTime: at(window.endMs),
    sentCount: window.sentCount,
    receivedCount,
    lossRatio: lossOf(window),
    rtt:
      receivedCount === 0
        ? undefined
        : {
            minSeconds: window.rttMinSeconds,
            avgSeconds: window.rttSumSeconds / receivedCount,
            p50Seconds: quantileOf(window, 0.5),
            p99Seconds: quantileOf(window, 0.99),
            maxSeconds: window.rttMaxSeconds,
          },
    jitterSeconds: receivedCount === 0 ? undefined : window.jitterSeconds,
  }
}

/** The one path that is meant. @throws OperatingError SPEC_INVALID or NOT_FOUND */
const findPath = (store: Deps['store'], request: GetPathHistoryRequest): { id: number; key: PathKey } => {
  const found = [...store.paths()].filter(
    ([, key]) =>
      key.source === request.source &&
      key.destination === request.destination &&
      (request.interface === '' || key.interface === request.interface),
  )
  if (found.length === 1) return { id: found[0]![0], key: found[0]![1] }
  if (found.length > 1) {
    const names = found.map(([, key]) => key.interface).sort(compareNames)
    throwIfInvalid('the request', [
      { field: 'interface', description: `one of ${names.join(', ')} must be named` },
    ])
  }
  const on = request.interface === '' ? '' : ` on ${request.interface}`
  const text = `no mesh has ever probed from "${request.source}" to "${request.destination}"${on}`
  throw new OperatingError('NOT_FOUND', text)
}

const isOfPath = ({ source, destination }: MeshEvent, key: PathKey): boolean =>
  source?.node === key.source && destination?.node === key.destination && source.interface === key.interface

/** The newest events of a path; a node's list is read page by page, up to a bound. */
const eventsOf = (store: Deps['store'], key: PathKey, range: Range): MeshEvent[] => {
  const events: MeshEvent[] = []
  let token = ''
  for (let pages = 0; pages < 10; pages++) {
    const page = store.meshEvents({ node: key.source, ...range }, { size: EVENT_PAGE.largest, token })
    events.push(...page.events.filter((event) => isOfPath(event, key)))
    token = page.nextPageToken
    if (token === '') break
  }
  return events.reverse()
}

const history = ({ clock, store }: Deps, request: GetPathHistoryRequest): GetPathHistoryResponse => {
  const { violations, ...range } = rangeOf(request, HOUR_MS, clock.now().getTime())
  throwIfInvalid('the request', violations)
  const { id, key } = findPath(store, request)
  const { resolution, windows } = store.history(id, range.fromMs, range.toMs, request.resolution)
  return {
    resolution,
    windows: windows.map(windowMessage),
    events: eventsOf(store, key, range),
  }
}

const MEASURES: readonly Measure[] = [
  Measure.MEASURE_LOSS_RATIO,
  Measure.MEASURE_RTT_P50_SECONDS,
  Measure.MEASURE_RTT_P99_SECONDS,
]

const cellOf = (window: Window | undefined, measure: Measure): MatrixCell => {
  if (!window || window.sentCount === 0) return { outcome: Outcome.OUTCOME_UNSPECIFIED, value: undefined }
  const isLoss = measure === Measure.MEASURE_LOSS_RATIO
  if (window.receivedCount === 0)
    return { outcome: Outcome.OUTCOME_UNREACHABLE, value: isLoss ? 1 : undefined }
  const q = measure === Measure.MEASURE_RTT_P99_SECONDS ? 0.99 : 0.5
  return { outcome: Outcome.OUTCOME_MEASURED, value: isLoss ? lossOf(window) : quantileOf(window, q) }
}

/** Each name once, in order. */
const namesOf = (keys: Iterable<{ interface: string }>): string[] =>
  [...new Set([...keys].map((key) => key.interface))].sort(compareNames)

/**
 * The interface that is meant. That nothing was measured on it in the time is no fault of the request: a mesh that has
 * just begun is asked as well as any other.
 * @param measured what there is in the time
 * @throws OperatingError SPEC_INVALID for one that no mesh has ever had, and when it must be named
 */
const interfaceOf = ({ store, meshes }: Deps, asked: string, measured: readonly string[]): string => {
  const refuse = (description: string): void =>
    throwIfInvalid('the request', [{ field: 'interface', description }])
  if (asked !== '') {
    const known = namesOf(store.paths().values())
    if (known.length > 0 && !known.includes(asked))
      refuse(`no mesh has ever probed on "${asked}"; there are ${known.join(', ')}`)
    return asked
  }
  if (measured.length > 1) refuse(`one interface must be named; there are ${measured.join(', ')}`)
  const names = measured.length > 0 ? measured : namesOf(meshes.paths().map(({ path }) => path.source))
  return names.length === 1 ? names[0]! : ''
}

const matrix = async (
  deps: Deps,
  request: GetMeshMatrixRequest,
  signal: AbortSignal,
): Promise<GetMeshMatrixResponse> => {
  const { clock, store } = deps
  const { violations, fromMs, toMs } = rangeOf(request, MINUTE_MS, clock.now().getTime())
  const measure = request.measure || Measure.MEASURE_LOSS_RATIO
  if (!MEASURES.includes(measure)) {
    violations.push({ field: 'measure', description: 'a mesh has loss, RTT p50 and RTT p99' })
  }
  throwIfInvalid('the request', violations)
  const known = store.paths()
  const cells = [...(await store.aggregate(fromMs, toMs, signal))].flatMap(([id, window]) => {
    const key = known.get(id)
    return key ? [{ key, window }] : []
  })
  const name = interfaceOf(deps, request.interface, namesOf(cells.map(({ key }) => key)))
  const own = cells.filter(({ key }) => key.interface === name)
  const sources = [...new Set(own.map(({ key }) => key.source))].sort(compareNames)
  const destinations = [...new Set(own.map(({ key }) => key.destination))].sort(compareNames)
  if (sources.length * destinations.length > MAX_CELLS) {
    const description = `${sources.length} × ${destinations.length} cells are too many for one message; read ListPaths`
    throwIfInvalid('the request', [{ field: 'interface', description }])
  }
  const byPair = new Map(own.map(({ key, window }) => [`${key.source} ${key.destination}`, window]))
  const rows = sources.map((source) => ({
    cells: destinations.map((destination) => cellOf(byPair.get(`${source} ${destination}`), measure)),
  }))
  return { interface: name, measure, sources, destinations, rows }
}

export const createMeshService = (deps: Deps): MeshServiceImplementation => ({
  getMesh: async () => deps.meshes.get(),
  listPaths: async (request) => listPaths(deps, request),
  getPathHistory: async (request) => history(deps, request),
  getMeshMatrix: (request, { signal }) => matrix(deps, request, signal),
  listMeshEvents: async (request) => {
    const { violations, ...range } = rangeOf(request, DAY_MS, deps.clock.now().getTime())
    throwIfInvalid('the request', violations)
    const page = { size: pageSizeOf(request.pageSize, EVENT_PAGE), token: request.pageToken }
    return deps.store.meshEvents({ ...(request.node === '' ? {} : { node: request.node }), ...range }, page)
  },
  async *watchMesh({ node }, { signal }) {
    for await (const event of deps.meshes.watch(node, signal)) yield { event }
  },
})
