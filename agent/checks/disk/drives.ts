/** The health that drives report, read with smartctl where it is installed. */

import { quote } from '../../engines/program-error.ts'
import type { CheckDeps } from '../check.ts'
import { createFinding, FAIL, type Finding, PASS, SKIPPED, WARN } from '../findings.ts'
import { failureOf, findProgram, missing, rawOf, runProgram } from '../programs.ts'
import { type DriveHealth, parseDrive, parseScan } from './output.ts'

/** Longest time for one drive; the kernel resets one that does not answer for longer than this. */
const ASK_SECONDS = 20

/** Maximum number of drives; a node with more has tools of its enclosure for them. */
const MAX_DRIVES = 64

/** Share of the rated life above which a drive is a warning; it continues to work for a while. */
const WORN = 0.9

const judge = (path: string, health: DriveHealth): Finding[] => {
  const { passed, temperatureCelsius, wear, mediaErrors, messages } = health
  if (passed === undefined && wear === undefined) {
    const why = messages.length > 0 ? quote(messages.join('; ')) : 'it reports no health'
    return [
      createFinding(
        path,
        'smart',
        'unknown',
        '',
        SKIPPED,
        messages.length > 0 ? `was not checked: ${why}` : '',
      ),
    ]
  }
  const findings = [
    createFinding(
      path,
      'smart',
      passed ?? true,
      '',
      passed === false ? FAIL : PASS,
      passed === false ? 'reports that it is failing' : '',
    ),
  ]
  if (temperatureCelsius !== undefined)
    findings.push(createFinding(path, 'temperature', temperatureCelsius, 'celsius'))
  if (wear !== undefined) {
    const worn = wear > WORN
    const reason = worn ? `has used up ${Math.round(wear * 100)} % of its life` : ''
    findings.push(createFinding(path, 'wear', wear, 'ratio', worn ? WARN : PASS, reason))
  }
  if (mediaErrors !== undefined) {
    const reason = mediaErrors > 0 ? `has counted ${mediaErrors} media errors` : ''
    findings.push(
      createFinding(path, 'media_errors', mediaErrors, 'count', mediaErrors > 0 ? WARN : PASS, reason),
    )
  }
  return findings
}

/** Reads every drive, one after the other, because they share controllers. */
export const examineDrives = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<{ findings: Finding[]; raw: string }> => {
  const path = await findProgram(deps, 'smartctl')
  if (path === undefined) {
    const why = missing(deps, 'smartctl', 'it comes with smartmontools')
    return { findings: [createFinding('drives', 'smart', why, '', SKIPPED)], raw: '' }
  }
  const scan = await runProgram(deps, path, ['--scan', '-j'], signal, ASK_SECONDS)
  const drives = parseScan(scan.stdout)
  if (!drives) {
    const why = failureOf(scan) || 'smartctl does not list the drives'
    return {
      findings: [createFinding('drives', 'smart', false, '', SKIPPED, `were not checked: ${why}`)],
      raw: rawOf(scan),
    }
  }
  const findings: Finding[] = []
  const raw: string[] = []
  for (const drive of drives.slice(0, MAX_DRIVES)) {
    const args = ['-H', '-A', '-j', '-d', drive.type, drive.path]
    const output = await runProgram(deps, path, args, signal, ASK_SECONDS)
    raw.push(rawOf(output))
    // Its exit code is a set of bits with less information than its document.
    const health = parseDrive(output.stdout)
    findings.push(
      ...(health
        ? judge(drive.path, health)
        : [createFinding(drive.path, 'smart', false, '', SKIPPED, `was not checked: ${failureOf(output)}`)]),
    )
  }
  return { findings, raw: raw.join('') }
}
