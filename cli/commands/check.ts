import type { Command } from 'commander'
import type { RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { ValueReader } from '../options/value-reader.ts'
import { checksDocument, checksExitCode, renderChecks } from '../render/checks-text.ts'
import { compareNames } from '../render/figures.ts'
import { printJson, printLine } from '../terminal.ts'

type CheckOptions = { nodes?: string; param?: string[] }

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** Each check has its own limit. This one is for all checks of the slowest node together. */
const CHECKS_DEADLINE_MS = 5 * 3_600_000

/** Parses `targets=["10.0.1.12"]` and `level=2`. A value that is not JSON is text. A repeated key becomes a list. */
const readParameters = (texts: readonly string[], read: ValueReader): Record<string, Json> => {
  const parameters: Record<string, Json[]> = {}
  for (const text of texts) {
    const match = /^([A-Za-z_]\w*)=(.*)$/s.exec(text)
    if (!match) {
      read.refuse('--param', `"${text}" is not KEY=VALUE`)
      continue
    }
    const [, key = '', value = ''] = match
    parameters[key] = [...(parameters[key] ?? []), jsonOrText(value)]
  }
  return Object.fromEntries(
    Object.entries(parameters).map(([key, values]) => [key, values.length === 1 ? values[0]! : values]),
  )
}

const jsonOrText = (text: string): Json => {
  try {
    return JSON.parse(text) as Json
  } catch {
    // Not JSON: plain text.
    return text
  }
}

const check = async (invocation: Invocation<CheckOptions>): Promise<ExitCode> => {
  const { terminal, operands, options, paint, read, reviewWithCollector } = invocation
  const checks = operands.flatMap((word) => read.list('CHECK', word))
  if (operands.length === 0) read.refuse('CHECK', 'is missing: give the name of a check, or all')
  const parameters = readParameters(options.param ?? [], read)
  const nodes = read.list('--nodes', options.nodes)
  await reviewWithCollector((client, deadline) => client.fleet.listNodes({ nodes }, { deadline }))
  return withClient(invocation, async (client) => {
    const responses: RunChecksResponse[] = []
    const request = { checks, nodes, ...(options.param ? { parameters } : {}) }
    for await (const response of client.fleet.runChecks(request, { deadline: CHECKS_DEADLINE_MS })) {
      responses.push(response)
    }
    responses.sort(
      (a, b) => compareNames(a.node, b.node) || compareNames(a.result?.check ?? '', b.result?.check ?? ''),
    )
    if (options.json) printJson(terminal.stdout, checksDocument(responses))
    else printLine(terminal.stdout, renderChecks(responses, paint))
    return checksExitCode(responses)
  })
}

export const addCheckCommand = (program: Command, app: App): void => {
  const command = program
    .command('check')
    .summary('Run health checks on nodes.')
    .description(
      `Run checks on all selected nodes at the same time. Print a table of their results with the reasons: pass, warn, fail,
skipped (the check does not apply to the node) or error (the check could not run).

"meshgauge check all" runs every check and lists them by name, such as reachability (every peer answers on every
interface) and interfaces (link, speed, MTU and addresses).`,
    )
    .argument('[CHECK...]', 'Names of checks, or all.')
    .option(
      '--nodes <selectors>',
      'Only these nodes: names or labels, such as gpu-[01-16,20],rack=r3. Default: all nodes.',
    )
    .option(
      '--param <key=value>',
      'Parameter of the check, as JSON or text. Repeatable; a key given twice is a list.',
      (value: string, earlier: string[] | undefined) => [...(earlier ?? []), value],
    )
  withExamples(command, [
    ['meshgauge check all', 'run every check on every node'],
    ['meshgauge check interfaces --nodes rack=r3', 'run one check on one rack'],
    [`meshgauge check reachability --param 'targets=["10.0.1.12"]'`, 'check one address'],
  ]).addHelpText(
    'after',
    '\nExit codes: 0 no check fails, 1 a check fails, 2 wrong usage, 3 a check could not run',
  )
  app.handle(command, Number.POSITIVE_INFINITY, check)
}
