import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import {
  type GetCoverageRequest,
  type GetCoverageResponse,
  type Schedule,
  ScheduleOrigin,
  type ScheduleSpec,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { closest } from '../../lib/config.ts'
import { limitError, OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { DocumentStore } from '../store/documents.ts'
import type { ScheduleObserver } from './book.ts'
import { spentOf, type Used, usedOf } from './budget.ts'
import { coverageMessage, type Scope, scopeOf } from './coverage.ts'
import { answerCoverage } from './coverage-answer.ts'
import { type ConfiguredSchedule, DEFAULT_QUIET_MS } from './defaults.ts'
import { type CoverageFigures, coverageOf } from './due.ts'
import { effectiveScheduleSpec } from './effective-schedule-spec.ts'
import {
  DOCUMENT_KIND,
  decodeRecord,
  encodeRecord,
  newRecord,
  type ScheduleRecord,
  sameSpec,
} from './record.ts'
import { reviewSchedule, reviewWork } from './review.ts'
import { createSchedule, type LivingSchedule, type ScheduleDeps, settledOrStopped } from './schedule.ts'

export type SchedulesObserver = ScheduleObserver & {
  observeCoverage(schedule: string, figures: CoverageFigures, withinSeconds: number): void
  /** Since when it is as it is, Unix milliseconds, and what of its budget is spent. */
  observeStanding(schedule: string, since: number, used: Used): void
  /** Nothing more is to be shown of a schedule. */
  forget(schedule: string): void
}

export type SchedulesDeps = Omit<ScheduleDeps, 'save' | 'observer'> & {
  documents: DocumentStore
  observer: SchedulesObserver
}

/** Each costs a timer, some series and a document. */
const MAX_SCHEDULES = 200

/** How often the debts are worked out for the metrics. */
const COVERAGE_SECONDS = 60

/** Every schedule of this collector: defaults, those of the config, and those that were added. */
export const createSchedules = (deps: SchedulesDeps, initial: readonly ConfiguredSchedule[]) => {
  const { clock, logger, documents, observer, ledger, breathe } = deps
  const schedules = new Map<string, LivingSchedule>()
  const stop = new AbortController()
  const now = () => clock.now().getTime()

  const store = (record: ScheduleRecord): void =>
    documents.putDocuments([{ kind: DOCUMENT_KIND, name: record.spec.name, body: encodeRecord(record) }])

  const living = (record: ScheduleRecord): LivingSchedule => {
    const { name } = record.spec
    const save = (changed: ScheduleRecord) => {
      // Of one that is gone by now, a run may still go on.
      if (schedules.get(name) === created) store(changed)
    }
    const created: LivingSchedule = createSchedule({ ...deps, save }, record)
    schedules.set(name, created)
    return created
  }

  /** What the store cannot take now, it is given with the next change, or at the next start: a full disk ends nothing. */
  const attempt = (schedule: string, change: () => void): void => {
    try {
      change()
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      logger.error({ schedule, reason: error.message }, 'a schedule could not be stored')
    }
  }
  const put = (record: ScheduleRecord): void => attempt(record.spec.name, () => store(record))
  const drop = (name: string): void => attempt(name, () => documents.deleteDocument(DOCUMENT_KIND, name))

  const remove = (name: string) => {
    const schedule = schedules.get(name)
    schedules.delete(name)
    observer.forget(name)
    // Only now, and not when the collector ends: its agents probe on for the next one.
    if (schedule?.spec.work?.$case === 'mesh') deps.meshes.set(name, undefined)
    // A run under way ends as it would.
    void schedule?.close()
  }

  /** A schedule of the config or a default, with what is known of it from before. */
  const recordOf = (
    { spec: given, origin }: ConfiguredSchedule,
    known: ScheduleRecord | undefined,
  ): ScheduleRecord => {
    const spec = effectiveScheduleSpec(given)
    const quiet = origin === ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT ? DEFAULT_QUIET_MS : 0
    if (!known) return { ...newRecord(spec, origin, now()), considered: now() + quiet }
    if (known.origin === ScheduleOrigin.SCHEDULE_ORIGIN_API)
      logger.warn(
        { schedule: spec.name },
        'the config has taken the name of a schedule that was added; that one is gone',
      )
    if (sameSpec(known.spec, spec)) return { ...known, origin }
    // Its times are other ones now: none of them was missed.
    return { ...known, spec, origin, since: now(), considered: now(), held: undefined }
  }

  const knownRecords = (): Map<string, ScheduleRecord> => {
    const known = new Map<string, ScheduleRecord>()
    for (const [name, body] of documents.documents(DOCUMENT_KIND)) {
      const record = decodeRecord(body)
      if (record && reviewSchedule(record.spec).length === 0) known.set(name, record)
      else logger.error({ schedule: name }, 'a stored schedule cannot be read, and is left out')
    }
    return known
  }

  const load = () => {
    const known = knownRecords()
    for (const own of initial) {
      const record = recordOf(own, known.get(own.spec.name))
      put(record)
      living(record)
    }
    for (const [name, record] of known) {
      if (schedules.has(name)) continue
      if (record.origin === ScheduleOrigin.SCHEDULE_ORIGIN_API) living(record)
      else drop(name)
    }
  }

  const find = (name: string): LivingSchedule => {
    const schedule = schedules.get(name)
    if (schedule) return schedule
    const meant = closest(name, [...schedules.keys()])
    throw new OperatingError(
      'NOT_FOUND',
      `there is no schedule "${name}"${meant ? `; did you mean ${meant}?` : ''}`,
    )
  }

  const seconds = () => Math.floor(now() / 1000)
  const figuresOf = (scope: Scope, within: number) =>
    coverageOf(scope.lasts, { now: seconds(), within, breathe })

  const figures = async ({ spec }: LivingSchedule): Promise<CoverageFigures | undefined> => {
    if (!spec.everyPairWithin || spec.work?.$case !== 'run') return undefined
    try {
      const scope = await scopeOf(ledger, spec.work.value, deps.fleet.nodes())
      return await figuresOf(scope, fromDuration(spec.everyPairWithin))
    } catch (error) {
      // A fleet without two nodes has no pairs, and a store that cannot be read says nothing of them.
      if (error instanceof OperatingError) return undefined
      throw error
    }
  }

  const message = async (schedule: LivingSchedule): Promise<Schedule> => {
    const found = await figures(schedule)
    return { ...schedule.message(), coverage: found && coverageMessage(found, seconds()) }
  }

  const showCoverage = async () => {
    await settledOrStopped(deps.fleet, stop.signal)
    while (!stop.signal.aborted) {
      for (const schedule of [...schedules.values()]) {
        const { spec } = schedule
        const found = await figures(schedule)
        if (schedules.get(spec.name) !== schedule) continue
        const { since, spent } = schedule.record()
        observer.observeStanding(spec.name, since, usedOf(spec.budget, spentOf(spent, spec.budget, now())))
        if (found) observer.observeCoverage(spec.name, found, fromDuration(spec.everyPairWithin) ?? 0)
      }
      await clock.sleep(COVERAGE_SECONDS, stop.signal).catch(() => undefined)
    }
  }

  load()
  const showing = showCoverage().catch((error: unknown) => {
    logger.error({ err: error }, 'the debts of coverage are shown no more')
  })

  return {
    /** @throws OperatingError SPEC_INVALID with everything that is wrong, LIMIT_EXCEEDED, STORE_UNAVAILABLE */
    async create(spec: ScheduleSpec, paused: boolean, requestId = ''): Promise<Schedule> {
      await deps.fleet.settled
      const violations = [
        ...reviewSchedule(spec),
        ...(schedules.has(spec.name)
          ? [
              {
                field: 'name',
                description: `there is a schedule "${spec.name}" already; remove it first, or take another name`,
              },
            ]
          : []),
        ...reviewWork(spec, deps.fleet.nodes(), deps.profiles),
      ].map(({ field, description }) => ({ field: `spec.${field}`, description }))
      throwIfInvalid('the schedule', violations)
      if (schedules.size >= MAX_SCHEDULES)
        throw limitError('collector', {
          problem: `there are ${schedules.size} schedules; remove some`,
          limit: 'max_schedules',
          value: MAX_SCHEDULES,
        })
      const created = newRecord(spec, ScheduleOrigin.SCHEDULE_ORIGIN_API, now())
      const record = { ...created, paused, requestId, createdPaused: paused }
      store(record)
      return message(living(record))
    },

    /** The schedule that the CreateSchedule request with this id created, and its `paused`. */
    async ofRequest(requestId: string): Promise<{ schedule: Schedule; createdPaused: boolean } | undefined> {
      const found = [...schedules.values()].find((schedule) => schedule.record().requestId === requestId)
      return found && { schedule: await message(found), createdPaused: found.record().createdPaused }
    },

    /** @throws OperatingError NOT_FOUND */
    get: (name: string): Promise<Schedule> => message(find(name)),

    list: async (): Promise<Schedule[]> => {
      const all: Schedule[] = []
      for (const name of [...schedules.keys()].sort()) {
        const schedule = schedules.get(name)
        if (schedule) all.push(await message(schedule))
      }
      return all
    },

    /** @throws OperatingError NOT_FOUND, STORE_UNAVAILABLE */
    setPaused(name: string, paused: boolean): Promise<Schedule> {
      const schedule = find(name)
      schedule.setPaused(paused)
      return message(schedule)
    },

    /** @throws OperatingError NOT_FOUND, SCHEDULE_ACTIVE, or why nothing could be started */
    trigger: (name: string): Promise<Run> => find(name).trigger(),

    /** @throws OperatingError NOT_FOUND, SCHEDULE_FIXED, STORE_UNAVAILABLE */
    delete(name: string): void {
      const { origin } = find(name).record()
      if (origin !== ScheduleOrigin.SCHEDULE_ORIGIN_API) {
        const where =
          origin === ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG
            ? 'is in the config file: take it out there'
            : 'is a default: set default_schedules to false in the config file'
        throw new OperatingError('SCHEDULE_FIXED', `${name} ${where}, or pause it`)
      }
      documents.deleteDocument(DOCUMENT_KIND, name)
      remove(name)
    },

    /** Puts other schedules of the config in place; what stays as it is keeps all that is known of it. */
    setOwn(wanted: readonly ConfiguredSchedule[]): void {
      const names = new Set(wanted.map(({ spec }) => spec.name))
      for (const [name, schedule] of schedules) {
        if (names.has(name) || schedule.record().origin === ScheduleOrigin.SCHEDULE_ORIGIN_API) continue
        drop(name)
        remove(name)
      }
      for (const own of wanted) {
        const before = schedules.get(own.spec.name)
        if (
          before &&
          before.record().origin === own.origin &&
          sameSpec(before.spec, effectiveScheduleSpec(own.spec))
        )
          continue
        const record = recordOf(own, before?.record())
        put(record)
        if (before) remove(own.spec.name)
        living(record)
      }
    },

    /** @throws OperatingError SPEC_INVALID, STORE_UNAVAILABLE */
    coverage: (request: GetCoverageRequest): Promise<GetCoverageResponse> => answerCoverage(deps, request),

    /** Starts nothing more, and leaves meshes as they are. Runs under way are not waited for: whoever ends them ends their starts. */
    async close(): Promise<void> {
      stop.abort()
      await Promise.all([...schedules.values()].map((schedule) => schedule.close()))
      await showing
    },
  }
}

export type Schedules = ReturnType<typeof createSchedules>
