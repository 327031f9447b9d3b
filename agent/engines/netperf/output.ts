/** Parses the output of netperf -k: a name and a value on each line, numbered interim results, and messages. Pure. */

import { plausible } from '../../plausibility.ts'

/** One interim result; `value` is in the units that netperf names, such as 10^6bits/s or Trans/s. */
export type Interim = { value: number; units: string; seconds: number }

export type NetperfOutput =
  | { kind: 'interim'; interim: Interim }
  | { kind: 'value'; name: string; value: string }
  | { kind: 'message'; text: string }

const INTERIM = /^NETPERF_(INTERIM_RESULT|UNITS|INTERVAL|ENDING)\[(\d+)\]=(.*)$/
const VALUE = /^([A-Z][A-Z0-9_]*)=(.*)$/

export const createParser = () => {
  let result: number | undefined
  let units = ''
  const interimOf = (part: string, text: string): NetperfOutput[] => {
    if (part === 'INTERIM_RESULT') result = plausible('netperf.interim_rate', text)
    if (part === 'UNITS') units = text
    if (part !== 'INTERVAL') return []
    const [value, seconds] = [result, plausible('netperf.interim_seconds', text)]
    result = undefined
    if (value === undefined || seconds === undefined) return []
    return [{ kind: 'interim', interim: { value, units, seconds } }]
  }
  return {
    push: (line: string): NetperfOutput[] => {
      const interim = INTERIM.exec(line)
      if (interim) return interimOf(interim[1]!, interim[3]!)
      const value = VALUE.exec(line)
      if (value) return [{ kind: 'value', name: value[1]!, value: value[2]! }]
      return line.trim() === '' ? [] : [{ kind: 'message', text: line.trim() }]
    },
  }
}
