import { expect, test } from 'vitest'
import { describeProblems } from './flow-problems.ts'

const problem = (source: string, destination: string, text = 'no bytes', name = 'net0') => ({
  text,
  source: { node: source, interface: name },
  destination: { node: destination, interface: name },
})

test('without a problem there is no line', () => {
  expect(describeProblems([])).toEqual([])
})

test('the problem of one flow names its endpoints', () => {
  expect(describeProblems([problem('a', 'b')])).toEqual(['1 flow a → b net0: no bytes'])
})

test.each([
  ['an interface that receives', [problem('a', 'c'), problem('b', 'c')], '2 flows to c net0: no bytes'],
  ['an interface that sends', [problem('a', 'b'), problem('a', 'c')], '2 flows from a net0: no bytes'],
  ['an interface both ways', [problem('a', 'b'), problem('c', 'a')], '2 flows from and to a net0: no bytes'],
  [
    'a node on all its interfaces',
    [problem('a', 'b'), problem('c', 'a', 'no bytes', 'net1')],
    '2 flows from and to a: no bytes',
  ],
  [
    'nothing in common, with an example',
    [problem('a', 'b'), problem('c', 'd')],
    '2 flows, such as a → b net0: no bytes',
  ],
])('the line names what the flows have in common: %s', (_, problems, line) => {
  expect(describeProblems(problems)).toEqual([line])
})

test('the problem of most flows comes first, and problems beyond 20 lines are counted', () => {
  const many = Array.from({ length: 30 }, (_, index) => problem('a', `b${index}`, `problem ${index}`))
  const lines = describeProblems([...many, problem('a', 'b', 'problem 29')])
  expect(lines).toHaveLength(21)
  expect(lines[0]).toContain('problem 29')
  expect(lines.at(-1)).toBe('10 flows: 10 other problems')
})
