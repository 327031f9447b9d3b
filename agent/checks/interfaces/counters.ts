/** Reads counters of interfaces from sysfs, and judges their growth. */

import { plausible } from '../../plausibility.ts'
import type { CheckDeps } from '../check.ts'
import { createFinding, type Finding, PASS, WARN } from '../findings.ts'
import { readHostFile } from '../programs.ts'

/** Counters that do not grow on a healthy link. */
const COUNTERS = [
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
  'rx_crc_errors',
  'rx_frame_errors',
  'rx_missed_errors',
  'tx_carrier_errors',
]

export type Counters = ReadonlyMap<string, number>

/** Reads the counters; a driver omits those that its hardware lacks. */
const readNumber = async (deps: Pick<CheckDeps, 'root'>, path: string): Promise<number | undefined> => {
  return plausible('kernel.counter', await readHostFile(deps, path))
}

export const readCounters = async (deps: Pick<CheckDeps, 'root'>, name: string): Promise<Counters> => {
  const folder = `sys/class/net/${name}`
  const paths: [string, string][] = COUNTERS.map((counter) => [counter, `${folder}/statistics/${counter}`])
  paths.push(['carrier_changes', `${folder}/carrier_changes`])
  const read = paths.map(
    async ([counter, path]) => [counter, await readNumber(deps, path)] as [string, number | undefined],
  )
  return new Map(
    (await Promise.all(read)).filter((entry): entry is [string, number] => entry[1] !== undefined),
  )
}

type Watch = { name: string; before: Counters; after: Counters; seconds: number; maxFlaps: number }

const growthFindings = ({ name, before, after, seconds }: Watch): Finding[] =>
  [...after]
    .filter(([counter]) => counter !== 'carrier_changes')
    .map(([counter, value]) => {
      // Counters restart at 0 when a driver is reloaded.
      const growth = Math.max(0, value - (before.get(counter) ?? value))
      const status = growth > 0 ? WARN : PASS
      const reason = growth > 0 ? `${counter} grew by ${growth} in ${seconds} s` : ''
      return createFinding(name, counter, growth, 'count', status, reason)
    })

const flapFindings = ({ name, before, after, seconds, maxFlaps }: Watch): Finding[] => {
  const changes = after.get('carrier_changes')
  if (changes === undefined) return []
  const now = Math.max(0, changes - (before.get('carrier_changes') ?? changes))
  // One flap is a loss of carrier and its return: two changes.
  const flaps = Math.floor(changes / 2)
  const reason =
    now > 0
      ? `its carrier changed ${now} times in ${seconds} s: the link flaps`
      : flaps > maxFlaps
        ? `its link has gone down ${flaps} times since its driver was loaded`
        : ''
  return [createFinding(name, 'carrier_changes', changes, 'count', reason === '' ? PASS : WARN, reason)]
}

/** Returns the findings of two readings of an interface's counters. */
export const compareCounters = (watch: Watch): Finding[] => [...growthFindings(watch), ...flapFindings(watch)]
