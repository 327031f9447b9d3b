/** Reads text lists: files with one entry per line, `#` starts a comment. */

import { readFileSync } from 'node:fs'
import type { NodePair } from '#proto/meshgauge/collector/v1/run.ts'
import { splitHostList } from '../../lib/host-list.ts'
import type { Problem } from '../command-errors.ts'

/** The entries of a text list with their line numbers. */
const entriesOf = (text: string): { line: number; entry: string }[] =>
  text
    .split(/\r?\n/)
    .map((line, index) => ({ line: index + 1, entry: line.replace(/#.*$/, '').trim() }))
    .filter(({ entry }) => entry !== '')

const readList = (place: string, path: string, problems: Problem[]): { line: number; entry: string }[] => {
  try {
    const entries = entriesOf(readFileSync(path, 'utf8'))
    if (entries.length === 0) problems.push({ place, message: `${path} has no entries` })
    return entries
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const words = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message
    problems.push({ place, message: `cannot read ${path}: ${words}` })
    return []
  }
}

/** The entries of a text list. Each must be a single word and unique. */
export const readWordList = (place: string, path: string, problems: Problem[]): string[] => {
  const firstLines = new Map<string, number>()
  for (const { line, entry } of readList(place, path, problems)) {
    const earlier = firstLines.get(entry)
    if (/\s/.test(entry)) {
      problems.push({
        place: `${path}:${line}`,
        message: `"${entry}" is more than one word; write one address per line`,
      })
    } else if (earlier !== undefined) {
      problems.push({ place: `${path}:${line}`, message: `${entry} is already in line ${earlier}` })
    } else firstLines.set(entry, line)
  }
  return [...firstLines.keys()]
}

/** The names of a pair may be compressed lists of Slurm, whose brackets contain commas. */
const PAIR = /^((?:[^\s:,[\]]|\[[^\s[\]]*\])+)(?::|\s+)((?:[^\s:,[\]]|\[[^\s[\]]*\])+)$/

const toPair = (place: string, text: string, problems: Problem[]): NodePair[] => {
  const match = PAIR.exec(text)
  if (match) return [{ source: match[1]!, destination: match[2]! }]
  problems.push({ place, message: `"${text}" is not a pair; write source:destination` })
  return []
}

/** Parses `a:b,c:d`, or reads a file with one pair per line. A text with a colon is a list, not a path. */
export const readPairs = (place: string, text: string, problems: Problem[]): NodePair[] => {
  if (text.includes(':')) return splitHostList(text).flatMap((part) => toPair(place, part, problems))
  return readList(place, text, problems).flatMap(({ line, entry }) =>
    toPair(`${text}:${line}`, entry, problems),
  )
}
