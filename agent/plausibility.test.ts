import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_NAMES, fieldOf, plausible, plausibleIn } from './plausibility.ts'

const FOLDER = new URL('./', import.meta.url)

/** Files that convert text of the operator or of the agent itself, which has its own validation. */
const NOT_OUTPUT: Record<string, string> = {
  'agent.ts': 'the port of an option',
  'plausibility.ts': 'the table itself',
  'checks/parameters.ts': 'the parameters of a request',
  'checks/disk/output.ts': 'the octal number of a character',
  'checks/host/check.ts': 'the parameters of a request',
  'checks/gpumem/check.ts': 'the parameters of a request, and rounding',
  'checks/pciebw/check.ts': 'rounding',
  'engines/detect-program.ts': 'the parts of a version',
  'engines/fping/args.ts': 'rounding',
  'engines/fping/engine.ts': 'the type of an event',
  'engines/program-state.ts': 'the hexadecimal numbers of /proc/net/tcp',
}

const CONVERSION =
  /\bNumber\((?!\))|\bmap\(Number\)|\bparse(?:Float|Int)\(|\bz\.(?:coerce\.)?number\(|typeof \S+ === 'number'/

const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !/\.test\.ts$|(?:^|\/)(?:testing|fixtures)\//.test(file),
)
const textOf = (file: string): string => readFileSync(new URL(file, FOLDER), 'utf8')

describe('every parsed field is in the table', () => {
  test('no other file of the agent converts text to numbers', () => {
    const converting = files.filter((file) => CONVERSION.test(textOf(file)))
    expect(converting.filter((file) => NOT_OUTPUT[file] === undefined)).toEqual([])
    expect(Object.keys(NOT_OUTPUT).filter((file) => !converting.includes(file))).toEqual([])
  })

  test('each field of the table is read somewhere', () => {
    const texts = files.filter((file) => file !== 'plausibility.ts').map(textOf)
    expect(FIELD_NAMES.filter((name) => !texts.some((text) => text.includes(`'${name}'`)))).toEqual([])
  })
})

describe('a number outside of its limits is absent', () => {
  test.each(FIELD_NAMES)('%s', (name) => {
    const { unit, min, max } = fieldOf(name)
    expect(unit).not.toBe('')
    expect(min).toBeLessThan(max)
    expect([plausible(name, min), plausible(name, max)]).toEqual([min, max])
    for (const value of [min - 1, max * 2 + 1, Number.NaN, Number.POSITIVE_INFINITY, null, undefined, '', {}])
      expect(plausible(name, value)).toBeUndefined()
    for (const text of ['-nan', 'inf', 'N/A', '0x10', '1 2', '--1'])
      expect(plausible(name, text)).toBeUndefined()
  })

  test('of any input, only numbers within the limits remain', () => {
    const value = fc.oneof(fc.anything(), fc.double(), fc.double().map(String), fc.string())
    fc.assert(
      fc.property(fc.constantFrom(...FIELD_NAMES), value, (name, input) => {
        const { min, max } = fieldOf(name)
        const found = plausible(name, input)
        expect(found === undefined || (found >= min && found <= max)).toBe(true)
      }),
    )
  })

  test.each([
    ['iperf3.retransmits', -1],
    ['iperf3.retransmits', '4294967294'],
    ['iperf3.retransmits', 4294967295],
    ['iperf3.jitter', '-611273000'],
    ['iperf3.jitter', 6.11273e8],
    ['iperf3.cpu', -3.2],
    ['fping.rtt', '-0.011'],
    ['kernel.counter', '4294967295'],
    ['kernel.counter', '18446744073709551615'],
    ['kernel.speed', '-1'],
    ['kernel.speed', '4294967295'],
  ] as const)('%s of %s', (name, value) => {
    expect(plausible(name, value)).toBeUndefined()
  })

  test('a conversion to another unit keeps the digits', () => {
    expect(plausibleIn('fping.rtt', '0.03', 0.001)).toBe(0.03 / 1000)
    expect(plausibleIn('iperf3.rate_kilobits', '95.4', 1000)).toBe(95_400)
    expect(plausibleIn('fping.rtt', '-1', 0.001)).toBeUndefined()
  })
})
