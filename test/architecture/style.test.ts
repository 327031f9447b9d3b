import { readFileSync } from 'node:fs'
import { execaSync } from 'execa'
import { parseAst } from 'rolldown/parseAst'
import { describe, expect, test } from 'vitest'

const MAX_FILE_LINES = 300
const MAX_FUNCTION_LINES = 100

/** Phrases that a reader must read twice, each with what to write in its place. */
const BANNED_PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\bso (many|long|much|few|often)\b(?! as\b)/i, 'the figure, or "this many", "this long"'],
  [/\bwhoever\b/i, 'the subject: the caller, the operator, the client'],
  [/\banew\b/i, 'again'],
  [/\bthereof\b/i, 'of it'],
  [/\bthat which\b/i, 'the noun'],
  [/\b(of|by) itself\b/i, 'automatically, or the noun'],
  [/\b(goes|go|went|going) on\b/i, 'continues'],
  [/\b(is|are|was|were|be|been) told\b/i, 'reports, receives, is notified of'],
  [/\btold of\b/i, 'reported'],
  [/\bcomes to\b/i, 'reaches'],
  [/\bstands? (for|in|at|there|beside|until)\b/i, 'is stored, is recorded, means'],
  [/\bfor ever\b/i, 'permanently, without a limit'],
]

const files = execaSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'])
  .stdout.split('\n')
  .filter((file) => !file.startsWith('proto/gen/') && !/\/recordings\/|package-lock|^LICENSE$/.test(file))

const sources = files.filter((file) => file.endsWith('.ts'))
const texts = files.filter(
  (file) => /\.(ts|proto|md|sh|ya?ml)$/.test(file) && !file.endsWith('architecture/style.test.ts'),
)

type SyntaxNode = { type: string; start: number; end: number } & Record<string, unknown>

const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string'

/** A `describe` groups tests; its callback is not a function that someone reads as a whole. */
const isDescribe = (node: SyntaxNode): boolean => {
  let callee = node.type === 'CallExpression' ? node.callee : undefined
  while (isNode(callee) && callee.type !== 'Identifier') callee = callee.object ?? callee.callee
  return isNode(callee) && /^describe/.test(String(callee.name))
}

/** Calls `visit` for each function of the tree, except the callbacks of `describe`. */
const visitFunctions = (node: SyntaxNode, visit: (found: SyntaxNode) => void, isGroup = false): void => {
  if (!isGroup && /Function/.test(node.type) && isNode(node.body)) visit(node)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) visitFunctions(child, visit, isDescribe(node))
    }
  }
}

const longFunctionsOf = (file: string): string[] => {
  const text = readFileSync(file, 'utf8')
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  const found: string[] = []
  visitFunctions(parseAst(text, { lang: 'ts' }) as unknown as SyntaxNode, ({ start, end }) => {
    const lines = lineOf(end) - lineOf(start) + 1
    if (lines > MAX_FUNCTION_LINES) found.push(`${file}:${lineOf(start)} has ${lines} lines`)
  })
  return found
}

describe('style', () => {
  test(`a file has at most ${MAX_FILE_LINES} lines`, () => {
    const long = sources
      .map((file) => ({ file, lines: readFileSync(file, 'utf8').trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > MAX_FILE_LINES)
    expect(long).toEqual([])
  })

  test(`a function has at most ${MAX_FUNCTION_LINES} lines`, () => {
    expect(sources.flatMap(longFunctionsOf)).toEqual([])
  })

  test('no text contains a banned phrase', () => {
    const found = texts.flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          BANNED_PHRASES.flatMap(([pattern, replacement]) => {
            const phrase = pattern.exec(line)?.[0]
            return phrase ? [`${file}:${index + 1}: "${phrase}": write ${replacement}`] : []
          }),
        ),
    )
    expect(found).toEqual([])
  })
})
