import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readNetperfArguments, selectorsOf } from './netperf-arguments.ts'

const read = (line: string) => {
  const { found, problems } = readNetperfArguments(line.split(' ').filter((word) => word !== ''))
  return {
    found: found.map(({ flag, value }) => (value === undefined ? flag : `${flag} ${value}`)),
    problems: problems.map(({ index, message }) => `${index}: ${message}`),
    selectors: selectorsOf(found),
  }
}

describe('netperf arguments', () => {
  test('the command lines of the orchestration guide are accepted', () => {
    expect(read('-d send -l 30 -o THROUGHPUT,P50_LATENCY,P99_LATENCY')).toEqual({
      found: ['d send', 'l 30', 'o THROUGHPUT,P50_LATENCY,P99_LATENCY'],
      problems: [],
      selectors: ['THROUGHPUT', 'P50_LATENCY', 'P99_LATENCY'],
    })
    expect(read('-d rr -l 60 -o JSON,MEAN_LATENCY,P50_LATENCY,P99_LATENCY').selectors).toEqual([
      'MEAN_LATENCY',
      'P50_LATENCY',
      'P99_LATENCY',
    ])
    expect(read('-d send -l 30 -o JSON')).toMatchObject({ problems: [], selectors: [] })
  })

  test('values may be attached to the option, and output lists may be absent', () => {
    expect(read('-r64,1K -b4 -k -D -n')).toMatchObject({
      found: ['r 64,1K', 'b 4', 'k', 'D', 'n'],
      problems: [],
    })
    expect(read('-l -1000000')).toMatchObject({ found: ['l -1000000'], problems: [] })
  })

  test('options that select peers, ports, files or programs are refused, each with its position', () => {
    expect(read('-H 10.0.0.1 -P ,22 -d send -F /etc/shadow -o /etc/passwd -L 1.2.3.4').problems).toEqual([
      '0: -H chooses the peer; the plan does',
      '2: -P chooses ports; --port-range does',
      '6: -F would read a file',
      '8: -o "/etc/passwd" is not names of values, as THROUGHPUT,P99_LATENCY',
      '10: -L chooses the source address; --interface does',
    ])
  })

  test.each([
    ['-d sideways', '0: -d "sideways" is not send, recv or rr'],
    ['-l', '0: -l needs a value: whole seconds, or bytes as a negative number'],
    ['-r 1;reboot', '0: -r "1;reboot" is not one or two sizes, as 16K,64K'],
    ['-K ../x', '0: -K "../x" is not cubic or bbr,bbr'],
    ['-k ?', '0: -k "?" is not names of values, as THROUGHPUT,P99_LATENCY'],
    ['-Dx', '0: -D takes no value'],
    ['-y 3', "0: -y is not an option of netperf's omni tests"],
    ['send', '0: "send" is not an option of netperf\'s omni tests'],
    ['--help', '0: "--help" is not an option of netperf\'s omni tests'],
  ])('%s', (line, problem) => {
    expect(read(line).problems[0]).toBe(problem)
  })

  test('for any input, the accepted options are harmless', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '-k',
        '-o',
        '-H',
        '-F',
        '-d',
        '-r',
        '-l',
        '-s',
        '/etc/passwd',
        '127.0.0.1',
        '$(id)',
        '-x',
      ),
      fc.tuple(fc.constantFrom('-', '--'), fc.string()).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const { found, problems } = readNetperfArguments(words)
        for (const { flag, value } of found) {
          expect(flag).toMatch(/^[bcCdDefGIkKlmMnNoOqrRsStTW]$/)
          expect(value ?? '0').toMatch(/^[A-Za-z0-9_,|-]+$/)
        }
        if (words.length > 0) expect(found.length + problems.length).toBeGreaterThan(0)
      }),
    )
  })

  test('too many words are one problem', () => {
    expect(readNetperfArguments(Array.from({ length: 5000 }, () => '-n')).problems).toEqual([
      { index: 64, message: 'there are 5000 words; at most 64' },
    ])
  })
})
