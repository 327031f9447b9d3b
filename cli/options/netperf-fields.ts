/** Parses the arguments for netperf after `--`. An argument that a field of the request can express becomes that field. */

import { Direction, type IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { type NetperfArgument, readNetperfArguments } from '../../lib/netperf-arguments.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { parseBytes } from '../../lib/units.ts'
import type { ValueReader } from './value-reader.ts'

/** The place of problems with these arguments. */
const PLACE = '--'

type Fields = Partial<
  Pick<IperfOptions, 'duration' | 'bytes' | 'direction' | 'protocol' | 'requestResponse' | 'extraArguments'>
>

const TRANSACTIONS: Fields = { requestResponse: { requestBytes: undefined, responseBytes: undefined } }
const UDP: Fields = { protocol: Protocol.PROTOCOL_UDP }
const REVERSE: Fields = { direction: Direction.DIRECTION_REVERSE }

/** netperf's direction bits: 0x2 sends, 0x4 receives, both together are transactions. */
const fromDirection = (value: string): Fields => {
  const word = value.toLowerCase()
  if (word === 'rr' || word.includes('|') || /^(0x)?6$/.test(word)) return TRANSACTIONS
  return /^(recv|receive|maerts|(0x)?4)$/.test(word) ? REVERSE : {}
}

const TESTS: Record<string, Fields> = {
  OMNI: {},
  TCP_STREAM: {},
  TCP_MAERTS: REVERSE,
  TCP_RR: TRANSACTIONS,
  TCP_CRR: { ...TRANSACTIONS, extraArguments: ['-c'] },
  UDP_STREAM: UDP,
  UDP_RR: { ...UDP, ...TRANSACTIONS },
}

const fromSizes = (value: string): Fields => {
  const [request = '', response = request] = value.split(',')
  return { requestResponse: { requestBytes: parseBytes(request), responseBytes: parseBytes(response) } }
}

const fromLength = (value: string): Fields => {
  const seconds = Number(value)
  return seconds < 0 ? { bytes: -seconds } : { duration: toDuration(seconds) }
}

const FIELDS: Record<string, (value: string) => Fields> = {
  d: fromDirection,
  l: fromLength,
  r: fromSizes,
  t: (value) => TESTS[value.toUpperCase()] ?? {},
  T: (value) => (value.toLowerCase() === 'udp' ? UDP : {}),
}

const asWords = ({ flag, value }: NetperfArgument): string[] =>
  value === undefined ? [`-${flag}`] : [`-${flag}`, value]

/** The request fields for netperf arguments. Reports every problem to the reader. */
export const readNetperfFields = (words: readonly string[], read: ValueReader): Fields => {
  const { found, problems } = readNetperfArguments(words)
  for (const { message } of problems) read.refuse(PLACE, message)
  const extraArguments: string[] = []
  let fields: Fields = {}
  for (const argument of found) {
    const toFields = FIELDS[argument.flag]
    const { extraArguments: more = [], ...converted } = toFields?.(argument.value ?? '') ?? {}
    // -r with the sizes may come before or after the option that selects transactions.
    const sizes =
      fields.requestResponse?.requestBytes !== undefined &&
      converted.requestResponse?.requestBytes === undefined
    fields = { ...fields, ...converted, ...(sizes && { requestResponse: fields.requestResponse }) }
    extraArguments.push(...(toFields ? more : asWords(argument)))
    if (argument.flag === 'c') fields = { ...TRANSACTIONS, ...fields }
  }
  return { ...fields, extraArguments }
}
