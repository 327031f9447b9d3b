import { expect, test } from 'vitest'
import { float, pprint, reprList } from './python.ts'

test('float prints as str()', () => {
  expect([9.41, 9, 0, 0.05].map(float)).toEqual(['9.41', '9.0', '0.0', '0.05'])
})

test('reprList prints as repr()', () => {
  expect(reprList(['http://a', "it's", `"it's"`])).toBe(`['http://a', "it's", '"it\\'s"']`)
})

// The expected texts are the output of python3 -c 'import pprint; pprint.pprint({...})'.
test.each<[string, Record<string, string[]>, string]>([
  ['an empty dictionary', {}, '{}'],
  [
    'a dictionary that fits on a line',
    { b: ['OK'], a: ['PCIE Failed'] },
    "{'a': ['PCIE Failed'], 'b': ['OK']}",
  ],
  [
    'many nodes, one per line',
    { 'gpu-node-0001': ['OK'], 'gpu-node-0002': ['OK'], 'gpu-node-0003': ['OK'], 'gpu-node-0004': ['OK'] },
    "{'gpu-node-0001': ['OK'],\n 'gpu-node-0002': ['OK'],\n 'gpu-node-0003': ['OK'],\n 'gpu-node-0004': ['OK']}",
  ],
  [
    'many failures, one per line',
    {
      n1: ['PCIE Failed', 'REMAPPED ROWS Failed', 'DCGM Failed', 'GPU POWER Failed', 'PING Failed'],
      n2: ['OK'],
    },
    "{'n1': ['PCIE Failed',\n        'REMAPPED ROWS Failed',\n        'DCGM Failed',\n        'GPU POWER Failed',\n        'PING Failed'],\n 'n2': ['OK']}",
  ],
])('pprint: %s', (_name, entries, text) => {
  expect(pprint(new Map(Object.entries(entries)))).toBe(text)
})
