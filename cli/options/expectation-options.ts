import type { Expectation } from '#proto/meshgauge/collector/v1/result.ts'
import { isExpectation, parseLimit, unknownExpectation } from '../../lib/expectations.ts'
import type { ValueReader } from './value-reader.ts'

/** Parses expectations such as `throughput_min=9G`, each with its unit. */
export const readExpectations = (texts: readonly string[], read: ValueReader): Expectation[] => {
  const seen = new Set<string>()
  return texts.flatMap((text) => {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
    const refuse = (message: string) => {
      read.refuse('--expect', message)
      return []
    }
    if (name === '' || value === '') return refuse(`"${text}" is not NAME=LIMIT, such as throughput_min=9G`)
    if (!isExpectation(name)) return refuse(unknownExpectation(name))
    if (seen.has(name)) return refuse(`${name} is given twice`)
    seen.add(name)
    const result = parseLimit(name, value)
    return 'problem' in result ? refuse(result.problem) : [{ name, limit: result.limit }]
  })
}
