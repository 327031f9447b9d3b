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
import { type MatrixCell, Measure, type PairMark } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError, throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { quantile } from '../../lib/histogram.ts'
import { MAX_PAGE_SIZE, pageOf } from '../../lib/paging.ts'
import { fromTimestamp, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { markMessage } from '../dispatch/pair-result-message.ts'
import { pathKey } from '../inventory/keys.ts'
import { isMarkedPath } from '../mesh/judge/mesh-answer.ts'
import type { MeshController } from '../mesh/mesh-controller.ts'
import { compareNames, sortPaths } from '../mesh/view/path-messages.ts'
import type { PathKey, Window, WindowStore } from '../store/windows.ts'

/** Maximum number of events of a node that are searched for the events of one path. */
const MAX_SEARCHED_EVENTS = 50_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** A cell has about 14 bytes, and the maximum message size is 16 MiB. */
const MAX_CELLS = 1_000_000

type Deps = {
  clock: Clock
  meshes: Pick<MeshController, 'get' | 'paths' | 'pathMessage' | 'watch'>
  store: Pick<WindowStore, 'paths' | 'history' | 'aggregate' | 'meshEvents'>
}

type Range = { fromMs: number; toMs: number }

const rangeOf = (
  { startTime, endTime }: { startTime?: Timestamp | undefined; endTime?: Timestamp | undefined },
  defaultMs: number,
  nowMs: number,
): Range & { violations: Violation[] } => {
  const toMs = fromTimestamp(endTime)?.getTime() ?? nowMs
  const fromMs = fromTimestamp(startTime)?.getTime() ?? toMs - defaultMs
  const violations = fromMs < toMs ? [] : [{ field: 'start_time', description: 'must be before end_time' }]
  return { fromMs, toMs, violations }
}

const listPaths = ({ meshes }: Deps, request: ListPathsRequest): ListPathsResponse => {
  const states = new Set(request.states)
  const wanted = meshes
    .paths()
    .filter(
      ({ path: { source, destination }, state }) =>
        (request.node === '' || source.node === request.node || destination.node === request.node) &&
        (request.interface === '' || source.interface === request.interface) &&
        (states.size === 0 || states.has(state)),
    )
  // A position: a path that becomes worse between two calls can be listed twice or not at all.
  const { items, nextPageToken } = pageOf('paths', sortPaths(wanted), request)
  return { paths: items.map(({ path, state }) => meshes.pathMessage(path, state)), nextPageToken }
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
            min: toDuration(window.rttMinSeconds),
            avg: toDuration(window.rttSumSeconds / receivedCount),
            p50: toDuration(quantileOf(window, 0.5)),
            p99: toDuration(quantileOf(window, 0.99)),
            max: toDuration(window.rttMaxSeconds),
          },
    jitter: receivedCount === 0 ? undefined : toDuration(window.jitterSeconds),
  }
}

/** The path that the request names. @throws OperatingError SPEC_INVALID or NOT_FOUND */
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
    throwIfInvalid('the request', [{ field: 'interface', description: `must be one of ${names.join(', ')}` }])
  }
  const on = request.interface === '' ? '' : ` on ${request.interface}`
  const text = `no mesh has ever probed from "${request.source}" to "${request.destination}"${on}`
  throw new OperatingError('NOT_FOUND', text)
}

const isOfPath = ({ source, destination }: MeshEvent, key: PathKey): boolean =>
  source?.node === key.source && destination?.node === key.destination && source.interface === key.interface

/** The newest events of a path, oldest first. The store selects events by node only. */
const eventsOf = (store: Deps['store'], key: PathKey, range: Range): MeshEvent[] => {
  const events: MeshEvent[] = []
  let token = ''
  for (let searched = 0; searched < MAX_SEARCHED_EVENTS; searched += MAX_PAGE_SIZE) {
    const page = store.meshEvents({ node: key.source, ...range }, { size: MAX_PAGE_SIZE, token })
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

const cellOf = (window: Window | undefined, measure: Measure, mark: PairMark): MatrixCell => {
  if (!window || window.sentCount === 0)
    return { outcome: Outcome.OUTCOME_UNSPECIFIED, value: undefined, mark }
  const isLoss = measure === Measure.MEASURE_LOSS_RATIO
  if (window.receivedCount === 0)
    return { outcome: Outcome.OUTCOME_UNREACHABLE, value: isLoss ? 1 : undefined, mark }
  const q = measure === Measure.MEASURE_RTT_P99_SECONDS ? 0.99 : 0.5
  return { outcome: Outcome.OUTCOME_MEASURED, value: isLoss ? lossOf(window) : quantileOf(window, q), mark }
}

/** The names of all interfaces, sorted. */
const namesOf = (keys: Iterable<{ interface: string }>): string[] =>
  [...new Set([...keys].map((key) => key.interface))].sort(compareNames)

/**
 * The interface that the request names or implies. It is valid when nothing was measured on it in the time range, such
 * as when a mesh has just started. Empty when there is no interface yet.
 * @param measured the interfaces with measurements in the time range
 * @throws OperatingError SPEC_INVALID for an interface that was never in a mesh, and when several are possible
 */
const interfaceOf = ({ store, meshes }: Deps, name: string, measured: readonly string[]): string => {
  const refuse = (description: string): void =>
    throwIfInvalid('the request', [{ field: 'interface', description }])
  if (name !== '') {
    const known = namesOf(store.paths().values())
    if (known.length > 0 && !known.includes(name))
      refuse(`no mesh has ever probed on "${name}"; there are ${known.join(', ')}`)
    return name
  }
  if (measured.length > 1) refuse(`must name one interface; there are ${measured.join(', ')}`)
  const names = measured.length > 0 ? measured : namesOf(meshes.paths().map(({ path }) => path.source))
  return names.length === 1 ? names[0]! : ''
}

/** Returns the keys of the paths that are marked as bad now. */
const markedPaths = (meshes: Deps['meshes']): Set<string> =>
  new Set(
    meshes
      .paths()
      .filter(({ state }) => isMarkedPath(state))
      .map(({ path: { source, destination } }) =>
        pathKey({ source: source.node, destination: destination.node, interface: source.interface }),
      ),
  )

const matrix = async (
  deps: Deps,
  request: GetMeshMatrixRequest,
  signal: AbortSignal,
): Promise<GetMeshMatrixResponse> => {
  const { clock, store } = deps
  const { violations, fromMs, toMs } = rangeOf(request, MINUTE_MS, clock.now().getTime())
  const measure = request.measure || Measure.MEASURE_LOSS_RATIO
  if (!MEASURES.includes(measure)) {
    violations.push({
      field: 'measure',
      description: 'must be LOSS_RATIO, RTT_P50_SECONDS or RTT_P99_SECONDS',
    })
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
    const description = `has ${sources.length} × ${destinations.length} cells, too many for one message; use ListPaths`
    throwIfInvalid('the request', [{ field: 'interface', description }])
  }
  const byPair = new Map(own.map(({ key, window }) => [`${key.source} ${key.destination}`, window]))
  const marked = request.endTime ? new Set<string>() : markedPaths(deps.meshes)
  const rows = sources.map((source) => ({
    cells: destinations.map((destination) =>
      cellOf(
        byPair.get(`${source} ${destination}`),
        measure,
        markMessage(marked.has(pathKey({ source, destination, interface: name }))),
      ),
    ),
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
    const page = { size: request.pageSize, token: request.pageToken }
    return deps.store.meshEvents({ ...(request.node === '' ? {} : { node: request.node }), ...range }, page)
  },
  async *watchMesh({ node }, { signal }) {
    for await (const event of deps.meshes.watch(node, signal)) yield { event }
  },
})
