import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import {
  type GetMatrixRequest,
  type GetMatrixResponse,
  Measure,
  type ResultServiceImplementation,
} from '#proto/meshgauge/collector/v1/result.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { markMessage, pairResultMessage } from '../dispatch/pair-result-message.ts'
import type { Store } from '../store/store.ts'

/** A cell has about 14 bytes, and the maximum message size is 16 MiB. */
const MAX_CELLS = 1_000_000

const figureOf = ({ values }: PairResult, measure: Measure): number | undefined => {
  if (values?.kind === 'iperf') {
    if (measure === Measure.MEASURE_BITS_PER_SECOND) return values.bitsPerSecond
    if (measure === Measure.MEASURE_RETRANSMIT_COUNT) return values.retransmitCount
    if (measure === Measure.MEASURE_LOSS_RATIO) return values.lossRatio
  }
  if (values?.kind === 'ping') {
    if (measure === Measure.MEASURE_LOSS_RATIO) return values.lossRatio
    if (measure === Measure.MEASURE_RTT_P50_SECONDS) return fromDuration(values.rtt?.p50)
    if (measure === Measure.MEASURE_RTT_P99_SECONDS) return fromDuration(values.rtt?.p99)
  }
  return undefined
}

const defaultMeasure = (results: readonly PairResult[]): Measure =>
  results.some(({ values }) => values?.kind === 'iperf')
    ? Measure.MEASURE_BITS_PER_SECOND
    : Measure.MEASURE_LOSS_RATIO

const matrixOf = (request: GetMatrixRequest, all: readonly PairResult[]): GetMatrixResponse => {
  const names = [...new Set(all.map(({ source }) => source.interface))]
  const name = request.interface || (names.length === 1 ? names[0]! : '')
  if (!names.includes(name)) {
    const problem = name === '' ? 'must name one interface' : `the run did not measure "${name}"`
    throwIfInvalid('the request', [
      { field: 'interface', description: `${problem}; it has ${names.join(', ') || 'no results'}` },
    ])
  }
  const measure = request.measure || defaultMeasure(all)
  const results = all.filter(({ source }) => source.interface === name)
  const sources = [...new Set(results.map(({ source }) => source.node))].sort(byName)
  const destinations = [...new Set(results.map(({ destination }) => destination.node))].sort(byName)
  if (sources.length * destinations.length > MAX_CELLS) {
    const text = `has ${sources.length} × ${destinations.length} cells, too many for one message; use ListResults`
    throwIfInvalid('the request', [{ field: 'run_id', description: text }])
  }
  const cells = new Map(results.map((result) => [`${result.source.node} ${result.destination.node}`, result]))
  const rows = sources.map((source) => ({
    cells: destinations.map((destination) => {
      const result = cells.get(`${source} ${destination}`)
      const outcome = result?.outcome ?? Outcome.OUTCOME_UNSPECIFIED
      const measured = outcome === Outcome.OUTCOME_MEASURED || measure === Measure.MEASURE_LOSS_RATIO
      const value = result && measured ? figureOf(result, measure) : undefined
      return { outcome, value, mark: markMessage(result?.isMarked === true) }
    }),
  }))
  return { interface: name, measure, sources, destinations, rows }
}

/** Compares names with numbers by value: node-2 before node-10. */
const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })

export const createResultService = (store: Store): ResultServiceImplementation => ({
  async listResults({ runId, pageSize: size, pageToken: token }) {
    const page = store.listResults(runId, { size, token })
    return { ...page, results: page.results.map(pairResultMessage) }
  },
  getMatrix: async (request) => matrixOf(request, store.allResults(request.runId)),
})
