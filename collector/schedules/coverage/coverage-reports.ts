import type {
  Coverage,
  GetCoverageRequest,
  GetCoverageResponse,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import type { Clock } from '../../../lib/clock.ts'
import { OperatingError, throwIfInvalid } from '../../../lib/errors.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import { type RunSpec, reviewedRunSpec } from '../../plan/run-spec.ts'
import type { ScheduleSpec } from '../define/schedule-spec.ts'
import { type CoverageFigures, coverageFiguresOf, coverageMessage } from './coverage-figures.ts'
import type { CoverageLedger } from './coverage-ledger.ts'
import { type CoverageTable, createCoverageTable, fullMeshRun } from './coverage-table.ts'
import type { YieldIfDue } from './due-pairs.ts'
import { overduePage } from './overdue-page.ts'

export type CoverageReportsDeps = {
  clock: Pick<Clock, 'now'>
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  ledger: CoverageLedger
  yieldIfDue: YieldIfDue
}

const DEFAULT_WITHIN_SECONDS = 7 * 86_400

const TESTS = ['ping', 'iperf'] as const

/** Computes how completely and how recently the pairs of the fleet were measured. */
export class CoverageReports {
  readonly #deps: CoverageReportsDeps

  constructor(deps: CoverageReportsDeps) {
    this.#deps = deps
  }

  /** The figures of a schedule with `every_pair_within`; undefined for others, or when they cannot be computed now. */
  async figuresOf({ everyPairWithin, work }: ScheduleSpec): Promise<CoverageFigures | undefined> {
    if (!everyPairWithin || work?.kind !== 'run') return undefined
    try {
      const table = await this.#tableOf(reviewedRunSpec(work.run))
      return await this.#figuresOfTable(table, fromDuration(everyPairWithin))
    } catch (error) {
      // A fleet of fewer than two nodes has no pairs, and the store may be unavailable.
      if (error instanceof OperatingError) return undefined
      throw error
    }
  }

  async messageOf(spec: ScheduleSpec): Promise<Coverage | undefined> {
    const figures = await this.figuresOf(spec)
    return figures && coverageMessage(figures, this.#nowSeconds())
  }

  /** Answers GetCoverage. @throws OperatingError SPEC_INVALID, STORE_UNAVAILABLE */
  async report(request: GetCoverageRequest): Promise<GetCoverageResponse> {
    await this.#deps.fleet.settled
    const within = fromDuration(request.within) ?? DEFAULT_WITHIN_SECONDS
    const test = TESTS.find((each) => each === (request.test || 'iperf'))
    throwIfInvalid('the request', [
      ...(test
        ? []
        : [{ field: 'test', description: `"${request.test}" is not one of ${TESTS.join(', ')}` }]),
      ...(within > 0 ? [] : [{ field: 'within', description: 'must be more than 0' }]),
    ])
    const table = await this.#tableOf(fullMeshRun(test!, request.interface))
    const figures = await this.#figuresOfTable(table, within)
    const page = { size: request.pageSize, token: request.pageToken }
    return {
      coverage: coverageMessage(figures, this.#nowSeconds()),
      ...(await overduePage(table, this.#nowSeconds() - within, page, this.#deps.yieldIfDue)),
    }
  }

  #nowSeconds(): number {
    return Math.floor(this.#deps.clock.now().getTime() / 1000)
  }

  #tableOf(run: RunSpec): Promise<CoverageTable> {
    return createCoverageTable(this.#deps.ledger, run, this.#deps.fleet.nodes())
  }

  #figuresOfTable({ lastTimes }: CoverageTable, within: number): Promise<CoverageFigures> {
    const { yieldIfDue } = this.#deps
    return coverageFiguresOf(lastTimes, { now: this.#nowSeconds(), within, yieldIfDue })
  }
}
