/** Parses the output of iperf3 in the form of any version. */

import type { IperfPlan, Mode } from './args.ts'
import type { OutputParser, Sample } from './output-events.ts'
import { createJsonParser } from './output-json.ts'
import { createTextParser } from './output-text.ts'

const ERROR = /^iperf3: (?:error - |parameter error - |interrupt - )?(.+)/
/** Accompanies other messages and explains nothing. */
const NOISE = /^(?:warning: .*|iperf3: exiting|Usage: .*|Try `iperf3 --help'.*|\s*)$/

/** Handles what both forms have in common: errors on stderr, and the last interval, repeated when a test breaks off. */
export const createParser = (mode: Mode, plan: IperfPlan): OutputParser => {
  const parser = mode === 'json' ? createJsonParser() : createTextParser(plan)
  const seen = new Set<string>()
  const isNew = ({ reverse, omitted, startSeconds, endSeconds }: Sample): boolean => {
    const key = `${reverse} ${omitted}`
    const interval = `${key} ${startSeconds} ${endSeconds}`
    if (seen.has(interval)) return false
    // Only the last interval of each kind is repeated.
    for (const old of seen) if (old.startsWith(`${key} `)) seen.delete(old)
    seen.add(interval)
    // At the end of the warm-up, iperf3 3.12 writes an interval of length 0 with a wrong rate.
    return endSeconds > startSeconds
  }
  return {
    push: (line) => {
      if (NOISE.test(line)) return []
      const error = ERROR.exec(line)
      if (error) return [{ kind: 'error', text: error[1]! }]
      return parser.push(line).filter((output) => output.kind !== 'sample' || isNew(output.sample))
    },
  }
}
