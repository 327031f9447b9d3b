import { distance } from 'fastest-levenshtein'
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'

/** One problem of a config file; line and column count from 1. */
export type ConfigProblem = { line: number; column: number; path: string; message: string }

/** An invalid config file. The message lists all problems with their lines and columns. */
export class ConfigError extends Error {
  readonly file: string
  readonly problems: readonly ConfigProblem[]

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const places = problems.map(({ line, column }) => `${file}:${line}:${column}`)
    const longest = (texts: readonly string[]) =>
      texts.reduce((most, { length }) => Math.max(most, length), 0)
    const width = longest(places)
    const pathWidth = longest(problems.map(({ path }) => path))
    const lines = problems.map(
      ({ path, message }, index) =>
        `  ${places[index]!.padEnd(width)}   ${path.padEnd(pathWidth)}  ${message}`,
    )
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    super([`${file} has ${count}; nothing was started.`, ...lines.map((line) => line.trimEnd())].join('\n'))
    this.name = 'ConfigError'
    this.file = file
    this.problems = problems
  }
}

type Path = readonly PropertyKey[]

const printPath = (path: Path): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  )

/** Levenshtein distance, where two neighbouring letters that are swapped count as one edit, as in `mehs`. */
const editDistance = (word: string, other: string): number => {
  const at = [...word].findIndex((letter, index) => letter !== other[index])
  const swapped = word.slice(0, at) + (word[at + 1] ?? '') + word[at] + word.slice(at + 2)
  return at >= 0 && swapped === other ? 1 : distance(word, other)
}

/** The most similar known word, for suggestions; undefined when none is similar enough. */
export const closest = (word: string, known: readonly string[]): string | undefined =>
  known.find(
    (candidate) => candidate.length > 2 && (word.startsWith(candidate) || candidate.startsWith(word)),
  ) ??
  known
    .map((candidate) => ({ candidate, d: editDistance(word, candidate) }))
    .filter(
      ({ candidate, d }) => d <= Math.max(1, Math.floor(candidate.length / 3)) && 2 * d < candidate.length,
    )
    .sort((a, b) => a.d - b.d)[0]?.candidate

/** The known keys of a zod object schema at a path, also inside arrays, optionals and defaults. */
const knownKeys = (schema: unknown, path: Path): string[] => {
  let current = schema as { def?: Record<string, unknown>; shape?: Record<string, unknown> }
  const unwrap = () => {
    while (current?.def && ('innerType' in current.def || 'in' in current.def)) {
      current = (current.def.innerType ?? current.def.in) as typeof current
    }
  }
  for (const key of path) {
    unwrap()
    current = (
      typeof key === 'number'
        ? current?.def?.element
        : (current?.shape?.[String(key)] ?? current?.def?.valueType)
    ) as typeof current
  }
  unwrap()
  return Object.keys(current?.shape ?? {})
}

/**
 * Offset in the file of the value, or the key, at a path. Hand-written: zod knows paths and yaml knows offsets, and no
 * library connects the two.
 */
const offsetOf = (root: Node | null, path: Path, ofKey: boolean): number => {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const [depth, key] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (!pair) break
      const target = ofKey && depth === path.length - 1 ? pair.key : (pair.value ?? pair.key)
      offset = (target as Node).range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(key)]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    } else break
  }
  return offset
}

/** A problem that involves several values, such as two conflicting entries. */
export type ReviewProblem = {
  path: Path
  message: string /** Another place that it is about. */
  also?: Path
}

const KINDS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys and values',
  record: 'a map of keys and values',
}

/** Replaces zod's messages for common problems by messages for operators. */
const wordsOf = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_type') {
    const expected = KINDS[issue.expected] ?? issue.expected
    return /received undefined/.test(issue.message) ? `is missing: ${expected}` : `must be ${expected}`
  }
  if (issue.code === 'too_small' && issue.origin === 'string') return 'must not be empty'
  return issue.message
}

const NESTED_TOO_DEEPLY: ConfigProblem = {
  line: 1,
  column: 1,
  path: '',
  message: 'lists or maps are nested too deeply',
}

/** The content of a YAML document. Aliases that expand to much more data are refused. */
const contentOf = (file: string, document: Document): unknown => {
  try {
    return document.toJS() ?? {}
  } catch (error) {
    // The depth of the call stack limits the depth of the document.
    if (error instanceof RangeError) throw new ConfigError(file, [NESTED_TOO_DEEPLY])
    if (!(error instanceof ReferenceError)) throw error
    throw new ConfigError(file, [{ line: 1, column: 1, path: '', message: error.message }])
  }
}

/**
 * Parses YAML and validates it with the schema. `review` finds further problems in the raw content, also when the schema
 * finds some. Throws a ConfigError with all problems.
 */
export const parseConfig = <S extends z.ZodType>(
  file: string,
  text: string,
  schema: S,
  review: (raw: unknown) => ReviewProblem[] = () => [],
): z.output<S> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const problemAt = (offset: number, path: string, message: string): ConfigProblem => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col, path, message }
  }
  if (document.errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION'))
    throw new ConfigError(file, [NESTED_TOO_DEEPLY])
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) =>
      problemAt(error.pos[0], '', error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '')),
    )
    throw new ConfigError(file, problems)
  }
  const raw = contentOf(file, document)
  const lineOf = (path: Path) => lines.linePos(offsetOf(document.contents, path, false)).line
  const reviewed = review(raw).map(({ path, message, also }) => {
    const where = also ? ` (line ${lineOf(also)})` : ''
    return problemAt(offsetOf(document.contents, path, false), printPath(path), message + where)
  })
  const result = schema.safeParse(raw)
  if (result.success && reviewed.length === 0) return result.data
  const problems = (result.error?.issues ?? []).flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      return [
        problemAt(offsetOf(document.contents, issue.path, false), printPath(issue.path), wordsOf(issue)),
      ]
    }
    return issue.keys.map((key) => {
      const path = [...issue.path, key]
      const meant = closest(key, knownKeys(schema, issue.path))
      const message = `unknown key${meant ? `; did you mean ${meant}?` : ''}`
      return problemAt(offsetOf(document.contents, path, true), printPath(path), message)
    })
  })
  const all = [...problems, ...reviewed].sort((a, b) => a.line - b.line || a.column - b.column)
  throw new ConfigError(file, all)
}
