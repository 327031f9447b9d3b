/**
 * The arguments of netperf's omni tests (after `--` on netperf's command line) that a user may pass. Options that select
 * peers, ports, files or programs are refused. The values of the others are validated.
 */

/** One parsed option. `index` is the position of its word. */
export type NetperfArgument = { flag: string; value: string | undefined; index: number }

export type NetperfProblem = { index: number; message: string }

type Shape = { pattern: RegExp; write: string }

const COUNT: Shape = { pattern: /^\d{1,9}$/, write: 'a whole number' }
/** netperf's sizes for local and remote endpoint: suffixes K, M, G are powers of 1024, and k, m, g powers of 1000. */
const SIZES: Shape = {
  pattern: /^\d{1,9}[KMGkmg]?(,\d{1,9}[KMGkmg]?)?$/,
  write: 'one or two sizes, as 16K,64K',
}
const CONGESTION: Shape = { pattern: /^[a-z0-9_]{1,15}(,[a-z0-9_]{1,15})?$/, write: 'cubic or bbr,bbr' }
const SELECTORS: Shape = {
  pattern: /^[A-Za-z0-9_]+(,[A-Za-z0-9_]+)*$/,
  write: 'names of values, as THROUGHPUT,P99_LATENCY',
}
const SECONDS: Shape = { pattern: /^-?\d{1,9}$/, write: 'whole seconds, or bytes as a negative number' }
const DIRECTION: Shape = {
  pattern: /^(send|recv|rr|stream|maerts|xmit|transmit|receive|[246]|0x[246])(\|(send|recv))?$/i,
  write: 'send, recv or rr',
}
const PROTOCOL: Shape = { pattern: /^(tcp|udp)$/i, write: 'tcp or udp' }
const TEST: Shape = {
  pattern: /^(omni|TCP_(STREAM|MAERTS|RR|CRR)|UDP_(STREAM|RR))$/i,
  write: 'omni, TCP_STREAM, TCP_MAERTS, TCP_RR, TCP_CRR, UDP_STREAM or UDP_RR',
}

/** Options with a value, and the pattern of the value. */
const WITH_VALUE: Record<string, Shape> = {
  b: COUNT,
  d: DIRECTION,
  e: COUNT,
  G: COUNT,
  K: CONGESTION,
  l: SECONDS,
  m: SIZES,
  M: SIZES,
  q: COUNT,
  r: SIZES,
  R: { pattern: /^[01]$/, write: '0 or 1' },
  s: SIZES,
  S: SIZES,
  t: TEST,
  T: PROTOCOL,
  W: COUNT,
}

/** Options without a value. */
const FLAGS: readonly string[] = ['c', 'C', 'D', 'f', 'I', 'n', 'N']

/** Options with an optional value. */
const OUTPUTS: readonly string[] = ['k', 'o', 'O']

const REFUSED: Record<string, string> = {
  H: 'chooses the peer; the plan does',
  L: 'chooses the source address; --interface does',
  p: 'chooses ports; --port-range does',
  P: 'chooses ports; --port-range does',
  F: 'would read a file',
  Z: 'sets a passphrase, which the server here does not know',
  i: 'repeats the test; run it again instead',
  j: 'opens further connections, which are not in the figures',
  u: 'sets a UUID; the run has its own',
  h: 'prints a help text',
  '4': 'is --ipv4',
  '6': 'is --ipv6',
}

/** More than any netperf command line needs. */
const MAX_WORDS = 64

const valueProblem = (flag: string, shape: Shape, value: string | undefined): string | undefined => {
  if (value === undefined) return `-${flag} needs a value: ${shape.write}`
  return shape.pattern.test(value) ? undefined : `-${flag} "${value}" is not ${shape.write}`
}

/** Parses the words as getopt does. Returns all options and all problems. */
export const readNetperfArguments = (
  words: readonly string[],
): { found: NetperfArgument[]; problems: NetperfProblem[] } => {
  const found: NetperfArgument[] = []
  const problems: NetperfProblem[] = []
  if (words.length > MAX_WORDS) {
    problems.push({ index: MAX_WORDS, message: `there are ${words.length} words; at most ${MAX_WORDS}` })
    return { found, problems }
  }
  const refuse = (index: number, message: string) => problems.push({ index, message })
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    const at = index
    const [, flag = '', attached = ''] = /^-([A-Za-z0-9])(.*)$/s.exec(word) ?? []
    const shape = OUTPUTS.includes(flag) ? SELECTORS : WITH_VALUE[flag]
    if (flag === '') refuse(at, `"${word}" is not an option of netperf's omni tests`)
    else if (REFUSED[flag]) {
      refuse(at, `-${flag} ${REFUSED[flag]}`)
      if (attached === '' && words[index + 1]?.startsWith('-') === false) index++
    } else if (FLAGS.includes(flag)) {
      if (attached !== '') refuse(at, `-${flag} takes no value`)
      else found.push({ flag, value: undefined, index: at })
    } else if (shape) {
      const next = words[index + 1]
      const takesNext = attached === '' && next !== undefined && (flag === 'l' || !next.startsWith('-'))
      if (takesNext) index++
      const value = attached !== '' ? attached : takesNext ? next : undefined
      const problem =
        OUTPUTS.includes(flag) && value === undefined ? undefined : valueProblem(flag, shape, value)
      if (problem) refuse(at, problem)
      else found.push({ flag, value, index: at })
    } else refuse(at, `-${flag} is not an option of netperf's omni tests`)
  }
  return { found, problems }
}

/** The requested values of output options such as `-o JSON,THROUGHPUT`, without the formats. */
export const selectorsOf = (found: readonly NetperfArgument[]): string[] => {
  const FORMATS = ['JSON', 'CSV', 'KEYVAL', 'HUMAN', 'ALL']
  const names = found
    .filter(({ flag }) => OUTPUTS.includes(flag))
    .flatMap(({ value }) => value?.split(',') ?? [])
    .map((name) => name.toUpperCase())
  return [...new Set(names)].filter((name) => !FORMATS.includes(name))
}

export const isOutput = ({ flag }: NetperfArgument): boolean => OUTPUTS.includes(flag)
