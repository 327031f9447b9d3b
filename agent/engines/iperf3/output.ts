/** What iperf3 says while it runs, whichever way its version says it. */

import type { IperfPlan, Mode } from './args.ts'
import type { OutputParser, Sample } from './output-events.ts'
import { createJsonParser } from './output-json.ts'
import { createTextParser } from './output-text.ts'

const ERROR = /^iperf3: (?:error - |parameter error - |interrupt - )?(.+)/
/** Said beside other messages, and explains nothing. */
const NOISE = /^(?:warning: .*|iperf3: exiting|Usage: .*|Try `iperf3 --help'.*|\s*)$/

/**
 * Both parsers write errors on stderr in some cases, and repeat the last interval when a test breaks off: both are
 * dealt with here.
 */
export const createParser = (mode: Mode, plan: IperfPlan): OutputParser => {
  const parser = mode === 'json' ? createJsonParser() : createTextParser(plan)
  const seen = new Set<string>()
  const isNew = ({ reverse, omitted, startSeconds, endSeconds }: Sample): boolean => {
    const key = `${reverse} ${omitted}`
    const interval = `${key} ${startSeconds} ${endSeconds}`
    if (seen.has(interval)) return false
    // Only the last one of each kind is ever repeated.
    for (const old of seen) if (old.startsWith(`${key} `)) seen.delete(old)
    seen.add(interval)
    // Where the warm-up ends, iperf3 3.12 writes an interval without length, at a wrong rate.
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
