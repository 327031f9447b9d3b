import type {
  ProfileServiceImplementation,
  ProfileSource,
  RunProfileRequest,
  RunProfileResponse,
} from '#proto/meshgauge/collector/v1/profile.ts'
import { RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { ConfigError, closest } from '../../lib/config.ts'
import { OperatingError, throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { pageOf } from '../../lib/paging.ts'
import type { RunSpec } from '../plan/run-spec.ts'
import { type Profile, readProfile } from '../profiles/profile.ts'
import { profileMessage } from '../profiles/profile-message.ts'
import type { ProfileStep } from '../profiles/resolve.ts'
import type { Runs } from '../runs/runs.ts'
import type { Run } from '../store/run.ts'
import { runMessage } from '../store/run-message.ts'

type Deps = {
  clock: Clock
  runs: Pick<Runs, 'plan' | 'create' | 'watch' | 'cancel'>
  profiles: ReadonlyMap<string, Profile>
}

const fromText = (file: string, yaml: string): Profile => {
  try {
    return readProfile(file || 'profile', yaml)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const violations = error.problems.map(({ line, column, path, message }) => ({
      field: `${file || 'profile'}:${line}:${column}`,
      description: `${path} ${message}`.trim(),
    }))
    throw new OperatingError('SPEC_INVALID', error.message, { violations })
  }
}

const find = (profiles: Deps['profiles'], source: ProfileSource | undefined): Profile => {
  const asked = source?.source
  if (asked?.$case === 'yaml') return fromText(source?.file ?? '', asked.value)
  if (asked?.$case !== 'name') {
    throwIfInvalid('the request', [{ field: 'profile', description: 'must have a name or a text' }])
  }
  const name = asked?.$case === 'name' ? asked.value : ''
  const profile = profiles.get(name)
  if (profile) return profile
  const names = [...profiles.keys()]
  const meant = closest(name, names)
  const hint = meant ? `did you mean ${meant}?` : `there are ${names.join(', ')}`
  throw new OperatingError('NOT_FOUND', `there is no profile "${name}"; ${hint}`)
}

/** Topologies that name their own nodes. The nodes of a request cannot replace these. */
const OWN_NODES: readonly TopologyKind[] = [
  TopologyKind.TOPOLOGY_KIND_MATRIX,
  TopologyKind.TOPOLOGY_KIND_PAIRS,
]

const adapt = (spec: RunSpec, { nodes, interfaces, label }: RunProfileRequest): RunSpec => ({
  ...spec,
  label,
  topology: { ...spec.topology, nodes: nodes.length > 0 ? nodes : spec.topology.nodes },
  interfaces: interfaces.length > 0 ? interfaces : spec.interfaces,
})

/**
 * The specs of all steps. Each is planned once, so that problems of any step are reported before the first run starts.
 * @throws OperatingError SPEC_INVALID with the problems of all steps
 */
const prepare = async (
  { runs }: Deps,
  steps: readonly ProfileStep[],
  request: RunProfileRequest,
): Promise<RunSpec[]> => {
  const violations: Violation[] = []
  const specs: RunSpec[] = []
  for (const { name, spec } of steps) {
    const at = `tests["${name}"]`
    if (request.nodes.length > 0 && OWN_NODES.includes(spec.topology.kind)) {
      const description = `${at} names its own clients, servers or pairs, which nodes cannot replace`
      violations.push({ field: 'nodes', description })
      continue
    }
    const adapted = adapt(spec, request)
    specs.push(adapted)
    try {
      await runs.plan(adapted)
    } catch (error) {
      if (!(error instanceof OperatingError) || error.violations.length === 0) throw error
      for (const { field, description } of error.violations) {
        const same = violations.some((each) => each.description === description)
        if (!same) violations.push({ field: `${at}.${field}`, description })
      }
    }
  }
  throwIfInvalid('the profile', violations)
  return specs
}

/** A run that was cancelled or interrupted ends its profile. A run that failed does not. */
const STOPPED: readonly RunState[] = [RunState.RUN_STATE_CANCELLED, RunState.RUN_STATE_INTERRUPTED]

const hasPassed = ({ state, summary }: Run): boolean =>
  state === RunState.RUN_STATE_COMPLETED && (summary?.expectations ?? []).every(({ passed }) => passed)

/** Runs one step and yields its progress. The run is cancelled when the caller stops reading. */
async function* runStep(
  { runs }: Deps,
  step: number,
  spec: RunSpec,
  signal: AbortSignal,
): AsyncGenerator<RunProfileResponse, Run> {
  let run = await runs.create(spec)
  let ended = false
  try {
    for await (const { run: now } of runs.watch(run.id, signal)) {
      run = now
      yield { step, run: runMessage(run) }
    }
    ended = true
    return run
  } finally {
    if (!ended) cancel(runs, run.id)
  }
}

/** Cancels a run. A run that has ended is ignored. */
const cancel = (runs: Deps['runs'], id: string): void => {
  try {
    runs.cancel(id)
  } catch (error) {
    if (!(error instanceof OperatingError) || error.reason !== 'RUN_NOT_ACTIVE') throw error
  }
}

export const createProfileService = (deps: Deps): ProfileServiceImplementation => ({
  async listProfiles(request) {
    const { items, nextPageToken } = pageOf(
      'profiles',
      [...deps.profiles.values()].map(profileMessage),
      request,
    )
    return { profiles: items, nextPageToken }
  },

  resolveProfile: async (request) => ({
    profile: profileMessage(find(deps.profiles, request.profile)),
  }),

  async *runProfile(request, { signal }): AsyncGenerator<RunProfileResponse> {
    const { steps } = find(deps.profiles, request.profile)
    const specs = await prepare(deps, steps, request)
    let passed = true
    for (const [step, spec] of specs.entries()) {
      const run = yield* runStep(deps, step, spec, signal)
      passed &&= hasPassed(run)
      if (step === specs.length - 1 || STOPPED.includes(run.state)) {
        yield { step, run: runMessage(run), passed }
        return
      }
      const pause = steps[step]!.cooldownSeconds ?? 0
      if (pause > 0) await deps.clock.sleep(pause, signal)
    }
  },
})
