import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expandHostList, namesIn, splitHostList } from './host-list.ts'

// The expected lists are what `scontrol show hostnames` of Slurm prints.
test.each([
  ['gpu-[01-03,70]', ['gpu-01', 'gpu-02', 'gpu-03', 'gpu-70']],
  ['gpu-01', ['gpu-01']],
  ['a1,b2', ['a1', 'b2']],
  ['n[8-11]', ['n8', 'n9', 'n10', 'n11']],
  ['n[08-11]', ['n08', 'n09', 'n10', 'n11']],
  ['n[098-101]', ['n098', 'n099', 'n100', 'n101']],
  ['n[9,10,0011]', ['n9', 'n10', 'n0011']],
  ['r[1-2]n[1-2]', ['r1n1', 'r1n2', 'r2n1', 'r2n2']],
  ['gpu-[1-2]-ib', ['gpu-1-ib', 'gpu-2-ib']],
  ['gpu-[1-2],login[1,3],head', ['gpu-1', 'gpu-2', 'login1', 'login3', 'head']],
  ['n[1],n[1]', ['n1', 'n1']],
  ['10.0.0.[9-10]', ['10.0.0.9', '10.0.0.10']],
])('%s', (text, hosts) => {
  expect(expandHostList(text)).toEqual(hosts)
})

test.each([
  ['n[3-1]', 'the range 3-1 in "n[3-1]" ends before it begins'],
  ['n[1-', '"n[1-" has a bracket without its pair'],
  ['n1]', '"n1]" has a bracket without its pair'],
  ['n[[1]]', '"n[[1]]" has a bracket without its pair'],
  ['n[]', '"" in "n[]" is not a number or a range'],
  ['n[a-c]', '"a-c" in "n[a-c]" is not a number or a range'],
  ['n[1-2,]', '"" in "n[1-2,]" is not a number or a range'],
  ['n[1 - 2]', 'is not a number or a range'],
  ['n1,,n2', 'the list has an empty entry'],
  ['n[1-999999999]', 'has 999999999 hosts; at most 100000 are allowed'],
  ['n[1-1000][1-1000]', 'has 1000000 hosts; at most 100000 are allowed'],
  ['n[1-99999999999]', 'is not a number or a range'],
])('%s is refused', (text, message) => {
  expect(() => expandHostList(text)).toThrow(message)
})

test('commas in brackets do not split', () => {
  expect(splitHostList('gpu-[01-64,70], rack=r1 ,[fd00::1]:50051')).toEqual([
    'gpu-[01-64,70]',
    'rack=r1',
    '[fd00::1]:50051',
  ])
})

test.each(['gpu-1', 'a,b', '[fd00::1]', '[fd00::1]:50051', 'note=[1-2]'])('%s is one name', (text) => {
  expect(namesIn(text)).toEqual([text])
})

test('the problem of a list is returned', () => {
  expect(namesIn('n[1-2]')).toEqual(['n1', 'n2'])
  expect(namesIn('n[2-1]')).toEqual({ problem: 'the range 2-1 in "n[2-1]" ends before it begins' })
})

const anyRange = fc
  .tuple(fc.nat(120), fc.nat(20), fc.integer({ min: 1, max: 4 }))
  .map(([low, more, width]) => {
    const first = String(low).padStart(width, '0')
    return {
      text: more === 0 ? first : `${first}-${low + more}`,
      numbers: Array.from({ length: more + 1 }, (_, index) =>
        String(low + index).padStart(first.length, '0'),
      ),
    }
  })
const anyBracket = fc.array(anyRange, { minLength: 1, maxLength: 3 })
const anyText = fc.constantFrom('gpu-', 'r', '', '-ib', '.example')

test('a name expands to all combinations, the last bracket fastest', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyText, anyBracket), { minLength: 1, maxLength: 2 }),
      anyText,
      (parts, end) => {
        const text = parts.map(
          ([prefix, ranges]) => `${prefix}[${ranges.map((range) => range.text).join(',')}]`,
        )
        const expected = parts.reduceRight<string[]>(
          (tails, [prefix, ranges]) =>
            ranges.flatMap(({ numbers }) =>
              numbers.flatMap((number) => tails.map((tail) => prefix + number + tail)),
            ),
          [end],
        )
        expect(expandHostList(text.join('') + end)).toEqual(expected)
      },
    ),
  )
})

test('a list expands to the lists of its parts', () => {
  const anyName = fc
    .tuple(fc.constantFrom('a', 'b'), anyBracket)
    .map(([name, ranges]) => `${name}[${ranges.map(({ text }) => text).join(',')}]`)
  fc.assert(
    fc.property(fc.array(anyName, { minLength: 1, maxLength: 4 }), (names) => {
      expect(expandHostList(names.join(','))).toEqual(names.flatMap(expandHostList))
    }),
  )
})
