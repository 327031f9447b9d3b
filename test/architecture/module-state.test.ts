import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { productionFiles } from './source-files.ts'

const MUTATING_METHODS = 'set|add|delete|clear|push|pop|shift|unshift|splice|sort|reverse|fill'

/** Code that changes what a top-level constant refers to: a mutating method, an assignment, or an increment. */
const changeOf = (name: string) => {
  const member = String.raw`(?:\.\w+|\[[^\]]+\])`
  return new RegExp(
    String.raw`(?<![\w.$'"-])${name}(?:${member}*\.(?:${MUTATING_METHODS})\(|${member}+ [-+*/|&?]{0,2}=(?![=>])|${member}+(?:\+\+|--))`,
  )
}

/** Top-level variables of a module that change after it is loaded. */
const mutableState = (text: string): string[] => {
  const variables = [...text.matchAll(/^(?:export )?(?:let|var) (\w+)/gm)].map(([, name]) => name!)
  const constants = [...text.matchAll(/^(?:export )?const (\w+)/gm)].map(([, name]) => name!)
  return [...variables, ...constants.filter((name) => changeOf(name).test(text))]
}

test('no module has state that changes: every state belongs to what a function or class created', () => {
  const found = productionFiles.flatMap((file) =>
    mutableState(readFileSync(file, 'utf8')).map((name) => `${file}: ${name}`),
  )
  expect(found).toEqual([])
})

test.each([
  ['let count = 0', ['count']],
  ['const known = new Map<string, number>()\nconst remember = () => known.set("a", 1)', ['known']],
  ['export const last = { at: 0 }\nexport const touch = () => { last.at = 1 }', ['last']],
  ['const counts = [0]\nconst count = () => counts[0]++', ['counts']],
  ['const NAMES = ["a"]\nconst has = (name: string) => NAMES.includes(name)', []],
  ['const limits = { most: 3 }\nconst isMost = (value: number) => limits.most === value', []],
  ['const create = () => {\n  const known = new Map()\n  known.set("a", 1)\n}', []],
])('the check finds the state of %j', (text, names) => {
  expect(mutableState(text)).toEqual(names)
})
