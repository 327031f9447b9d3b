import { parseUptime } from '../../host/facts.ts'
import type { CheckDeps } from '../check.ts'
import { failureOf, findProgram, missing, type Output, readHostFile, runProgram } from '../programs.ts'
import { type LogEntry, parseDmesgJson, parseDmesgRaw, parseJournal } from './kernel-log.ts'

/** Maximum output: a ring buffer of 16 MiB (log_buf_len) as JSON. */
const LIMITS = { burstBytes: 48 * 1024 * 1024, maxUnreadBytes: 48 * 1024 * 1024 }

const READ_SECONDS = 20

type Reader = { program: string; args: readonly string[]; parse: (text: string) => LogEntry[] | undefined }

const hint = (output: Output): string =>
  /not permitted|permission denied|no permission|insufficient permissions/i.test(
    `${output.stdout}${output.stderrTail}`,
  )
    ? '; reading the kernel log needs root, or CAP_SYSLOG'
    : ''

/** Returns the kernel's messages of the last seconds, or all reasons why they cannot be read. */
export const readKernelLog = async (
  deps: CheckDeps,
  sinceSeconds: number,
  signal: AbortSignal,
): Promise<{ entries: LogEntry[]; from: string } | { reasons: string[] }> => {
  const uptime = parseUptime((await readHostFile(deps, 'proc/uptime')) ?? '') ?? 0
  const now = deps.clock.now().getTime() / 1000
  const since = `@${Math.floor(now - sinceSeconds)}`
  const readers: Reader[] = [
    { program: 'dmesg', args: ['--json'], parse: (text) => parseDmesgJson(text, uptime) },
    // JSON needs util-linux 2.38.
    { program: 'dmesg', args: ['--raw'], parse: (text) => parseDmesgRaw(text, uptime) },
    {
      program: 'journalctl',
      args: ['-k', '--no-pager', '-q', '-o', 'short-unix', '--since', since],
      parse: (text) => parseJournal(text, now),
    },
  ]
  const reasons: string[] = []
  for (const { program, args, parse } of readers) {
    const path = await findProgram(deps, program)
    if (path === undefined) {
      reasons.push(missing(deps, program, 'it reads the kernel log'))
      continue
    }
    const output = await runProgram(deps, path, args, signal, READ_SECONDS, LIMITS)
    const entries = output.reason === '' ? parse(output.stdout) : undefined
    if (entries) {
      return { from: program, entries: entries.filter(({ ageSeconds }) => ageSeconds <= sinceSeconds) }
    }
    reasons.push(`${failureOf(output) || `${program} printed no log`}${hint(output)}`)
  }
  return { reasons: [...new Set(reasons)] }
}
