/** The health that drives report of themselves, through smartctl where it is installed. */

import { quote } from '../../engines/program-error.ts'
import type { CheckDeps } from '../check.ts'
import { FAIL, type Finding, found, PASS, SKIPPED, WARN } from '../findings.ts'
import { findProgram, missing, rawOf, runProgram, troubleOf } from '../programs.ts'
import { type DriveHealth, parseDrive, parseScan } from './output.ts'

/** A drive that does not answer keeps the kernel busy with resets for longer than this. */
const ASK_SECONDS = 20

/** More drives than this in one node are looked at by their own enclosure's tools. */
const MAX_DRIVES = 64

/** Beyond its rated life a drive works on, for a while. */
const WORN = 0.9

const judge = (path: string, health: DriveHealth): Finding[] => {
  const { passed, temperatureCelsius, wear, mediaErrors, messages } = health
  if (passed === undefined && wear === undefined) {
    const why = messages.length > 0 ? quote(messages.join('; ')) : 'it reports no health'
    return [
      found(path, 'smart', 'unknown', '', SKIPPED, messages.length > 0 ? `was not looked at: ${why}` : ''),
    ]
  }
  const findings = [
    found(
      path,
      'smart',
      passed ?? true,
      '',
      passed === false ? FAIL : PASS,
      passed === false ? 'says that it is failing' : '',
    ),
  ]
  if (temperatureCelsius !== undefined)
    findings.push(found(path, 'temperature', temperatureCelsius, 'celsius'))
  if (wear !== undefined) {
    const worn = wear > WORN
    const reason = worn ? `has used up ${Math.round(wear * 100)} % of its life` : ''
    findings.push(found(path, 'wear', wear, 'ratio', worn ? WARN : PASS, reason))
  }
  if (mediaErrors !== undefined) {
    const reason = mediaErrors > 0 ? `has counted ${mediaErrors} media errors` : ''
    findings.push(found(path, 'media_errors', mediaErrors, 'count', mediaErrors > 0 ? WARN : PASS, reason))
  }
  return findings
}

/** Asks every drive, one after the other: they share controllers. */
export const examineDrives = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<{ findings: Finding[]; raw: string }> => {
  const path = await findProgram(deps, 'smartctl')
  if (path === undefined) {
    const why = missing(deps, 'smartctl', 'it comes with smartmontools')
    return { findings: [found('drives', 'smart', why, '', SKIPPED)], raw: '' }
  }
  const scan = await runProgram(deps, path, ['--scan', '-j'], signal, ASK_SECONDS)
  const drives = parseScan(scan.stdout)
  if (!drives) {
    const why = troubleOf(scan) || 'smartctl does not list the drives'
    return {
      findings: [found('drives', 'smart', false, '', SKIPPED, `were not looked at: ${why}`)],
      raw: rawOf(scan),
    }
  }
  const findings: Finding[] = []
  const raw: string[] = []
  for (const drive of drives.slice(0, MAX_DRIVES)) {
    const args = ['-H', '-A', '-j', '-d', drive.type, drive.path]
    const output = await runProgram(deps, path, args, signal, ASK_SECONDS)
    raw.push(rawOf(output))
    // Its exit code is a set of bits and says less than its document.
    const health = parseDrive(output.stdout)
    findings.push(
      ...(health
        ? judge(drive.path, health)
        : [found(drive.path, 'smart', false, '', SKIPPED, `was not looked at: ${troubleOf(output)}`)]),
    )
  }
  return { findings, raw: raw.join('') }
}
