/** Finds hardware errors in the kernel log, by kind. */

import { quote } from '../../engines/program-error.ts'
import { plausible } from '../../plausibility.ts'
import { createFinding, FAIL, type Finding, WARN } from '../findings.ts'

/** One message and its age. */
export type LogEntry = { ageSeconds: number; text: string }

type Rule = {
  kind: string
  pattern: RegExp
  /** FAIL when the node must not be used, WARN when it should be examined. */
  fails?: (text: string) => boolean
}

/**
 * Xids about the GPU, its memory, its links or its firmware. Most of the others (13, 31, 43, 45, ...) are errors of a
 * program on the GPU, and 63 and 94 are contained errors.
 */
const FATAL_XIDS = new Set([46, 48, 61, 62, 64, 74, 79, 92, 95, 109, 110, 119, 120, 136, 140, 143])

const xidOf = (text: string): number | undefined =>
  plausible('kernel.xid', /Xid \([^)]*\): (\d+)/.exec(text)?.[1])

const RULES: readonly Rule[] = [
  {
    kind: 'xid',
    pattern: /NVRM: Xid \([^)]*\): \d+|NVRM: .*fallen off the bus/,
    fails: (text) => FATAL_XIDS.has(xidOf(text) ?? 0) || /fallen off the bus/.test(text),
  },
  {
    kind: 'pcie_aer',
    pattern: /PCIe Bus Error: severity=|AER: .*(Uncorrect|Fatal|error received)/,
    fails: (text) => /severity=Uncorrect/.test(text),
  },
  {
    kind: 'machine_check',
    pattern: /\[Hardware Error\]|Machine check events logged|EDAC .*\b(CE|UE)\b/i,
    fails: (text) => /Uncorrected|Fatal|EDAC .*\bUE\b/.test(text),
  },
  {
    kind: 'nic_reset',
    pattern:
      /NETDEV WATCHDOG|Tx Unit Hang|transmit queue \d+ timed out|TX timeout|Reset adapter|resetting adapter/i,
  },
  {
    kind: 'nic_firmware',
    pattern: /mlx\d_core .*(health compromised|firmware (internal )?error|Fatal error|assert_)/i,
    fails: () => true,
  },
  { kind: 'link_down', pattern: /(NIC )?Link is Down|: link down/i },
  { kind: 'out_of_memory', pattern: /Out of memory: Kill|oom-kill:/ },
  {
    kind: 'stuck',
    pattern: /blocked for more than \d+ seconds|soft lockup|hard LOCKUP|rcu.*detected stall/i,
  },
  {
    kind: 'disk_error',
    pattern:
      /I\/O error, dev |critical medium error|EXT4-fs error|XFS .*(Corruption|shut ?down)|Remounting filesystem read-only/i,
    fails: (text) => /critical medium error|Remounting filesystem read-only|shut ?down/i.test(text),
  },
  {
    kind: 'thermal',
    pattern: /temperature above threshold, cpu clock throttled|critical temperature reached/i,
    fails: (text) => /critical temperature/i.test(text),
  },
]

/** Returns one finding for each kind of error in the log, with its count and last message. */
export const judgeLog = (entries: readonly LogEntry[]): Finding[] =>
  RULES.flatMap(({ kind, pattern, fails }) => {
    const hits = entries.filter(({ text }) => pattern.test(text))
    if (hits.length === 0) return []
    const worst = hits.findLast(({ text }) => fails?.(text))
    const last = worst ?? hits.at(-1)!
    const status = worst ? FAIL : WARN
    const reason = `${hits.length} in the log, the ${worst ? 'worst' : 'last'} one: ${quote(last.text)}`
    return [createFinding(kind, 'kernel_log', hits.length, 'count', status, reason)]
  })

/** Parses `dmesg --json`: seconds since boot and the message. */
export const parseDmesgJson = (text: string, uptimeSeconds: number): LogEntry[] | undefined => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  const list = (document as { dmesg?: unknown } | null)?.dmesg
  if (!Array.isArray(list)) return undefined
  return list.flatMap((entry: { time?: unknown; msg?: unknown } | null) => {
    const time = plausible('kernel.log_time', entry?.time)
    return time !== undefined && typeof entry?.msg === 'string'
      ? [{ ageSeconds: uptimeSeconds - time, text: entry.msg }]
      : []
  })
}

/** Parses `dmesg --raw`: `<6>[   12.345678] message`; a line without a time continues the one before it. */
export const parseDmesgRaw = (text: string, uptimeSeconds: number): LogEntry[] =>
  text.split('\n').flatMap((line) => {
    const match = /^(?:<\d+>)?\[\s*(\d+\.\d+)\]\s?(.*)$/.exec(line)
    const time = plausible('kernel.log_time', match?.[1])
    return time === undefined ? [] : [{ ageSeconds: uptimeSeconds - time, text: match![2]! }]
  })

/** Parses `journalctl -k -o short-unix`: `1763618400.123456 host kernel: message`. */
export const parseJournal = (text: string, nowSeconds: number): LogEntry[] =>
  text.split('\n').flatMap((line) => {
    const match = /^(\d+\.\d+) \S+ kernel: (.*)$/.exec(line)
    const time = plausible('kernel.log_time', match?.[1])
    return time === undefined ? [] : [{ ageSeconds: nowSeconds - time, text: match![2]! }]
  })
