import {
  type GetCoverageRequest,
  type GetCoverageResponse,
  type Schedule,
  ScheduleOrigin,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { closest } from '../../lib/config.ts'
import { limitError, OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { DocumentStore } from '../store/documents.ts'
import type { Run } from '../store/run.ts'
import { ActiveSchedule, type ActiveScheduleDeps, waitForFleet } from './active-schedule.ts'
import type { CoverageFigures } from './coverage/coverage-figures.ts'
import { CoverageReports } from './coverage/coverage-reports.ts'
import { type ConfiguredSchedule, DEFAULT_START_DELAY_MS } from './define/default-schedules.ts'
import { effectiveScheduleSpec } from './define/effective-schedule-spec.ts'
import { reviewSchedule, reviewWork } from './define/review.ts'
import type { ScheduleSpec } from './define/schedule-spec.ts'
import { type BudgetUse, budgetUseOf, costInPeriod } from './state/budget.ts'
import { ScheduleDocuments } from './state/schedule-documents.ts'
import { newRecord, type ScheduleRecord, sameSpec } from './state/schedule-record.ts'
import type { ScheduleObserver } from './state/start-history.ts'

export type SchedulesObserver = ScheduleObserver & {
  observeCoverage(schedule: string, figures: CoverageFigures, withinSeconds: number): void
  /** When the schedule was created or last changed, Unix milliseconds, and how much of its budget is used. */
  observeBudget(schedule: string, since: number, use: BudgetUse): void
  /** Called when a schedule is deleted: removes its metrics. */
  forget(schedule: string): void
}

export type SchedulesDeps = Omit<ActiveScheduleDeps, 'save' | 'observer'> & {
  documents: DocumentStore
  observer: SchedulesObserver
}

/** Each schedule costs a timer, some series and a document. */
const MAX_SCHEDULES = 200

/** Interval at which coverage and budgets are computed for the metrics. */
const OBSERVE_SECONDS = 60

/** All schedules of this collector: the defaults, those of the config, and those created over the API. */
export class Schedules {
  readonly #deps: SchedulesDeps
  readonly #documents: ScheduleDocuments
  readonly #coverage: CoverageReports
  readonly #schedules = new Map<string, ActiveSchedule>()
  readonly #stop = new AbortController()
  readonly #observing: Promise<void>

  constructor(deps: SchedulesDeps, configured: readonly ConfiguredSchedule[]) {
    this.#deps = deps
    this.#documents = new ScheduleDocuments(deps)
    this.#coverage = new CoverageReports(deps)
    this.#load(configured)
    this.#observing = this.#observe().catch((error: unknown) => {
      deps.logger.error({ err: error }, 'the metrics of coverage and budgets are no longer updated')
    })
  }

  /** @throws OperatingError SPEC_INVALID with all problems, LIMIT_EXCEEDED, STORE_UNAVAILABLE */
  async create(spec: ScheduleSpec, paused: boolean, requestId = ''): Promise<Schedule> {
    const { fleet, profiles } = this.#deps
    await fleet.settled
    const violations = [
      ...reviewSchedule(spec),
      ...(this.#schedules.has(spec.name) ? [nameTaken(spec.name)] : []),
      ...reviewWork(spec, fleet.nodes(), profiles),
    ].map(({ field, description }) => ({ field: `spec.${field}`, description }))
    throwIfInvalid('the schedule', violations)
    if (this.#schedules.size >= MAX_SCHEDULES)
      throw limitError('collector', {
        problem: `there are ${this.#schedules.size} schedules; remove some`,
        limit: 'max_schedules',
        value: MAX_SCHEDULES,
      })
    const created = newRecord(spec, ScheduleOrigin.SCHEDULE_ORIGIN_API, this.#now())
    const record = { ...created, paused, requestId, createdPaused: paused }
    this.#documents.put(record)
    return this.#message(this.#activate(record))
  }

  /** The schedule that the CreateSchedule request with this id created, and its `paused`. */
  async ofRequest(requestId: string): Promise<{ schedule: Schedule; createdPaused: boolean } | undefined> {
    const found = [...this.#schedules.values()].find(({ record }) => record.requestId === requestId)
    return found && { schedule: await this.#message(found), createdPaused: found.record.createdPaused }
  }

  /** @throws OperatingError NOT_FOUND */
  get(name: string): Promise<Schedule> {
    return this.#message(this.#find(name))
  }

  /** All schedules, by name. */
  async list(): Promise<Schedule[]> {
    const all: Schedule[] = []
    for (const name of [...this.#schedules.keys()].sort()) {
      const schedule = this.#schedules.get(name)
      if (schedule) all.push(await this.#message(schedule))
    }
    return all
  }

  /** @throws OperatingError NOT_FOUND, STORE_UNAVAILABLE */
  setPaused(name: string, paused: boolean): Promise<Schedule> {
    const schedule = this.#find(name)
    schedule.setPaused(paused)
    return this.#message(schedule)
  }

  /** Starts a schedule now. @throws OperatingError NOT_FOUND, SCHEDULE_ACTIVE, or the reason why nothing was started */
  trigger(name: string): Promise<Run> {
    return this.#find(name).trigger()
  }

  /** @throws OperatingError NOT_FOUND, SCHEDULE_FIXED, STORE_UNAVAILABLE */
  delete(name: string): void {
    const { origin } = this.#find(name).record
    if (origin !== ScheduleOrigin.SCHEDULE_ORIGIN_API) {
      const advice =
        origin === ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG
          ? 'is defined in the config file; remove it there, or pause it'
          : 'is a default schedule; set default_schedules to false in the config file, or pause it'
      throw new OperatingError('SCHEDULE_FIXED', `${name} ${advice}`)
    }
    this.#documents.delete(name)
    this.#remove(name)
  }

  /** Replaces the schedules of the config and the defaults. Unchanged ones keep their state. */
  setConfigured(configured: readonly ConfiguredSchedule[]): void {
    const names = new Set(configured.map(({ spec }) => spec.name))
    for (const [name, { record }] of this.#schedules) {
      if (names.has(name) || record.origin === ScheduleOrigin.SCHEDULE_ORIGIN_API) continue
      this.#documents.tryDelete(name)
      this.#remove(name)
    }
    for (const schedule of configured) {
      const { name } = schedule.spec
      const before = this.#schedules.get(name)?.record
      const isUnchanged =
        before?.origin === schedule.origin && sameSpec(before.spec, effectiveScheduleSpec(schedule.spec))
      if (isUnchanged) continue
      const record = this.#recordOf(schedule, before)
      this.#documents.tryPut(record)
      if (before) this.#remove(name)
      this.#activate(record)
    }
  }

  /** @throws OperatingError SPEC_INVALID, STORE_UNAVAILABLE */
  coverage(request: GetCoverageRequest): Promise<GetCoverageResponse> {
    return this.#coverage.report(request)
  }

  /** Starts nothing more. Meshes and active runs continue; a start ends when the caller ends its run. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#schedules.values()].map((schedule) => schedule.close()))
    await this.#observing
  }

  #now(): number {
    return this.#deps.clock.now().getTime()
  }

  #load(configured: readonly ConfiguredSchedule[]): void {
    const stored = this.#documents.load()
    for (const [name, { spec }] of stored) {
      if (reviewSchedule(spec).length === 0) continue
      this.#deps.logger.error({ schedule: name }, 'a stored schedule is not valid and is ignored')
      stored.delete(name)
    }
    for (const schedule of configured) {
      const record = this.#recordOf(schedule, stored.get(schedule.spec.name))
      this.#documents.tryPut(record)
      this.#activate(record)
    }
    for (const [name, record] of stored) {
      if (this.#schedules.has(name)) continue
      if (record.origin === ScheduleOrigin.SCHEDULE_ORIGIN_API) this.#activate(record)
      else this.#documents.tryDelete(name)
    }
  }

  /** The record of a configured schedule, with the state that is stored under its name. */
  #recordOf(configured: ConfiguredSchedule, stored: ScheduleRecord | undefined): ScheduleRecord {
    const { origin } = configured
    const spec = effectiveScheduleSpec(configured.spec)
    const now = this.#now()
    const delay = origin === ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT ? DEFAULT_START_DELAY_MS : 0
    if (!stored) return { ...newRecord(spec, origin, now), considered: now + delay }
    if (stored.origin === ScheduleOrigin.SCHEDULE_ORIGIN_API)
      this.#deps.logger.warn(
        { schedule: spec.name },
        'a schedule of the config replaces one with the same name that was created over the API',
      )
    if (sameSpec(stored.spec, spec)) return { ...stored, origin }
    // The planned times have changed: none of the new ones was missed.
    return { ...stored, spec, origin, since: now, considered: now, held: undefined }
  }

  #activate(record: ScheduleRecord): ActiveSchedule {
    const { name } = record.spec
    const save = (changed: ScheduleRecord) => {
      // A run of a deleted schedule may still be active. Its changes must not restore the document.
      if (this.#schedules.get(name) === schedule) this.#documents.put(changed)
    }
    const schedule: ActiveSchedule = new ActiveSchedule({ ...this.#deps, save }, record)
    this.#schedules.set(name, schedule)
    return schedule
  }

  #remove(name: string): void {
    const schedule = this.#schedules.get(name)
    this.#schedules.delete(name)
    this.#deps.observer.forget(name)
    // When the collector ends, meshes are not removed: the agents continue to probe until the next collector starts.
    if (schedule?.record.spec.work?.kind === 'mesh') this.#deps.meshes.set(name, undefined)
    // An active run is not stopped.
    void schedule?.close()
  }

  #find(name: string): ActiveSchedule {
    const schedule = this.#schedules.get(name)
    if (schedule) return schedule
    const meant = closest(name, [...this.#schedules.keys()])
    const hint = meant ? `; did you mean ${meant}?` : ''
    throw new OperatingError('NOT_FOUND', `there is no schedule "${name}"${hint}`)
  }

  async #message(schedule: ActiveSchedule): Promise<Schedule> {
    const coverage = await this.#coverage.messageOf(schedule.record.spec)
    return { ...schedule.message(), coverage }
  }

  /** Reports coverage and budgets to the metrics until the collector closes. */
  async #observe(): Promise<void> {
    const { clock, fleet, observer } = this.#deps
    await waitForFleet(fleet, this.#stop.signal)
    while (!this.#stop.signal.aborted) {
      for (const schedule of [...this.#schedules.values()]) {
        const { spec } = schedule.record
        const figures = await this.#coverage.figuresOf(spec)
        if (this.#schedules.get(spec.name) !== schedule) continue
        const { since, spent } = schedule.record
        const cost = costInPeriod(spent, spec.budget, this.#now())
        observer.observeBudget(spec.name, since, budgetUseOf(spec.budget, cost))
        if (figures) observer.observeCoverage(spec.name, figures, fromDuration(spec.everyPairWithin) ?? 0)
      }
      await clock.sleep(OBSERVE_SECONDS, this.#stop.signal).catch(() => undefined)
    }
  }
}

const nameTaken = (name: string) => ({
  field: 'name',
  description: `there is a schedule "${name}" already; remove it first, or use another name`,
})
