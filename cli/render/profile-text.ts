/** Profiles as JSON documents, and the last line of a profile run. */

import type { Profile } from '#proto/meshgauge/collector/v1/profile.ts'
import { type Run, type RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { counted } from '../../lib/units.ts'
import { topologyWord } from './enum-words.ts'
import { missedCount } from './expectations-text.ts'
import { type Paint, sanitize } from './paint.ts'

const specDocument = (spec: RunSpec | undefined) => ({
  test: spec?.test?.$case,
  engine: spec?.test?.value.engine || undefined,
  topology: topologyWord(spec?.topology?.kind ?? TopologyKind.TOPOLOGY_KIND_UNSPECIFIED),
  interfaces: spec?.interfaces.length ? spec.interfaces : undefined,
  expectations: (spec?.expectations ?? []).map(({ name, limit }) => ({ name, limit })),
})

export const profileDocument = ({ name, description, version, steps }: Profile) => ({
  name,
  description,
  version: version || undefined,
  steps: steps.map((step) => ({
    name: step.name,
    ...specDocument(step.spec),
    cooldownSeconds: fromDuration(step.cooldown),
  })),
})

/** The last line of a profile run: whether the profile passed. */
export const renderProfileEnd = (
  name: string,
  runs: readonly Run[],
  stepCount: number,
  passed: boolean,
  paint: Paint,
): string => {
  const all = runs.flatMap((run) => run.summary?.expectations ?? [])
  const expected = counted(all.length, 'expectation')
  const title = `Profile ${sanitize(name)}`
  if (passed) return paint('green', `✔ ${title} passed: ${counted(runs.length, 'test')}, ${expected} met.`)
  const notRun = stepCount - runs.length
  const rest = notRun > 0 ? ` ${counted(notRun, 'test')} of ${stepCount} did not run.` : ''
  const missed = missedCount(all)
  const why = missed > 0 ? `${missed} of ${expected} missed` : 'some pairs could not be measured'
  return paint('red', `✘ ${title} failed: ${why}.${rest}`)
}
