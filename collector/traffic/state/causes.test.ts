import { expect, test } from 'vitest'
import { describeCauses } from './causes.ts'

const cause = (source: string, destination: string, text = 'no bytes', name = 'net0') => ({
  text,
  source: { node: source, interface: name },
  destination: { node: destination, interface: name },
})

test('nothing wrong, nothing said', () => {
  expect(describeCauses([])).toEqual([])
})

test('one flow names itself', () => {
  expect(describeCauses([cause('a', 'b')])).toEqual(['1 flow a → b net0: no bytes'])
})

test.each([
  ['an interface that receives', [cause('a', 'c'), cause('b', 'c')], '2 flows to c net0: no bytes'],
  ['an interface that sends', [cause('a', 'b'), cause('a', 'c')], '2 flows from a net0: no bytes'],
  ['an interface both ways', [cause('a', 'b'), cause('c', 'a')], '2 flows from and to a net0: no bytes'],
  [
    'a node on all its interfaces',
    [cause('a', 'b'), cause('c', 'a', 'no bytes', 'net1')],
    '2 flows from and to a: no bytes',
  ],
  ['nothing in common', [cause('a', 'b'), cause('c', 'd')], '2 flows, such as a → b net0: no bytes'],
])('where flows meet: %s', (_, causes, line) => {
  expect(describeCauses(causes)).toEqual([line])
})

test('the cause of most flows comes first, and causes beyond a screen are counted', () => {
  const many = Array.from({ length: 30 }, (_, index) => cause('a', `b${index}`, `cause ${index}`))
  const lines = describeCauses([...many, cause('a', 'b', 'cause 29')])
  expect(lines).toHaveLength(21)
  expect(lines[0]).toContain('cause 29')
  expect(lines.at(-1)).toBe('10 flows: 10 other causes')
})
