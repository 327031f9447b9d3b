import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { execaSync } from 'execa'
import { describe, expect, test } from 'vitest'

/** What each folder may import, and why not more. Entries with a slash are single files: entry points. */
const RULES: Record<string, { may: readonly string[]; because: string }> = {
  proto: { may: [], because: 'the protocol depends on nobody' },
  lib: { may: ['proto'], because: 'what both sides share cannot know either side' },
  agent: { may: ['proto', 'lib'], because: 'an agent runs on a node without a collector beside it' },
  collector: { may: ['proto', 'lib'], because: 'the collector knows agents by their protocol only' },
  cli: {
    may: [
      'proto',
      'lib',
      // `meshgauge agent` and `meshgauge collector` start these, with options parsed by the CLI.
      'agent/main.ts',
      'agent/options.ts',
      // The export for netperf-orchestrate has the command lines of the agents. These files only build them.
      'agent/engines/fping/args.ts',
      'agent/engines/iperf3/args.ts',
      'agent/engines/netperf/args.ts',
      'agent/engines/ping/args.ts',
      'agent/engines/ping-request.ts',
      'collector/main.ts',
      'collector/options.ts',
      // `config schema` prints the schema of the collector's config.
      'collector/config/json-schema.ts',
      // `plan --count` plans for a synthetic fleet without a collector.
      'collector/inventory/node.ts',
      'collector/plan/run-spec-message.ts',
      'collector/inventory/node.ts',
      'collector/runs/prepare.ts',
      // `profiles validate` and `schedules add --file` check a file without a collector.
      'collector/profiles/profile.ts',
      'collector/profiles/profile-message.ts',
      'collector/schedules/define/schema.ts',
      'collector/schedules/define/schedule-spec-message.ts',
      // Names and descriptions of the topologies, for arguments and help.
      'collector/topology/registry.ts',
      'deploy/local',
    ],
    because: 'the command line is a client of the API, and it starts agents, collectors and labs',
  },
  deploy: {
    may: ['proto', 'lib'],
    because: 'ways onto machines carry the programs, they do not reach into them',
  },
}

/** Within the collector, data flows one way: each stage may import only the stages before it. */
const STAGES = [
  'inventory',
  'topology',
  'plan',
  'dispatch',
  'diagnosis',
  // It stores what the stages before it produce: results, summaries and verdicts.
  'store',
  // Named sets of tests with the values they must reach; a run is created from one.
  'profiles',
  // The orchestrator: it calls plan, dispatch, store and diagnosis, and decides on retests.
  'runs',
  // Sustained load. It reserves interfaces that exclusive runs then leave alone.
  'traffic',
  // Check results. They are stored before they are shown.
  'health',
  // The always-on ping mesh. It drives agents and stores windows, as a run does, without an end.
  'mesh',
  // Recurring work: it creates runs and meshes.
  'schedules',
  'telemetry',
  // The HTTP API of IBM Autopilot on top of checks and runs, with its metric.
  'autopilot',
  'services',
]

/** Within a folder of phases, data flows one way too: a file may import only files of its own phase and earlier ones. */
const PHASES: Record<string, readonly string[]> = {
  'collector/mesh': ['assign', 'agents', 'state', 'judge', 'view'],
  'collector/schedules': ['define', 'state', 'coverage', 'start'],
  'collector/health': ['assign', 'agents', 'state', 'judge'],
  'collector/traffic': ['assign', 'agents', 'state'],
  'collector/telemetry': ['catalogue', 'observe', 'expose'],
}

const files = execaSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'])
  .stdout.split('\n')
  .filter((file) => file !== '')

const importsOf = (file: string): string[] => {
  const text = readFileSync(file, 'utf8')
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, specifier]) => specifier!,
  )
  return specifiers.flatMap((specifier) => {
    if (specifier.startsWith('#proto/')) return [`proto/gen/${specifier.slice('#proto/'.length)}`]
    return specifier.startsWith('.') ? [normalize(join(dirname(file), specifier))] : []
  })
}

const graph = new Map(files.map((file) => [file, importsOf(file).filter((target) => target.endsWith('.ts'))]))
const folderOf = (file: string) => file.split('/')[0]!
const isTest = (file: string) => /\.test\.ts$|\/(fixtures|testing)\//.test(file) || folderOf(file) === 'test'

describe('who imports whom', () => {
  for (const [folder, { may, because }] of Object.entries(RULES)) {
    test(`${folder} imports only ${[folder, ...may].join(', ')}: ${because}`, () => {
      const allowed = (target: string) =>
        folderOf(target) === folder || may.some((entry) => target === entry || target.startsWith(`${entry}/`))
      const wrong = [...graph].flatMap(([file, targets]) =>
        folderOf(file) !== folder || isTest(file)
          ? []
          : targets.filter((target) => !allowed(target)).map((target) => `${file} → ${target}`),
      )
      expect(wrong).toEqual([])
    })
  }

  test('no stage of the collector reaches back', () => {
    const stageOf = (file: string) =>
      folderOf(file) === 'collector' ? STAGES.indexOf(file.split('/')[1]!) : -1
    const wrong = [...graph].flatMap(([file, targets]) =>
      isTest(file) || stageOf(file) < 0
        ? []
        : targets.filter((target) => stageOf(target) > stageOf(file)).map((target) => `${file} → ${target}`),
    )
    expect(wrong).toEqual([])
  })

  test.each(Object.entries(PHASES))('no phase of %s imports a later one', (folder, phases) => {
    const ofFolder = (file: string) => file.startsWith(`${folder}/`) && !isTest(file)
    const phaseOf = (file: string): number => phases.indexOf(file.slice(folder.length + 1).split('/')[0]!)
    // A file outside the phases belongs to the latest phase that it imports.
    const rankOf = (file: string): number =>
      phaseOf(file) >= 0
        ? phaseOf(file)
        : Math.max(-1, ...(graph.get(file) ?? []).filter(ofFolder).map((target) => rankOf(target)))
    const wrong = [...graph].flatMap(([file, targets]) =>
      ofFolder(file) && phaseOf(file) >= 0
        ? targets
            .filter((target) => ofFolder(target) && rankOf(target) > phaseOf(file))
            .map((target) => `${file} → ${target}`)
        : [],
    )
    expect(wrong).toEqual([])
  })

  test('no cycles', () => {
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      if (done.has(file) || path.includes(file)) return
      for (const target of graph.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of graph.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })

  test('every file of lib is imported from two sides', () => {
    // A file of lib that uses another is a side of its own: it has two sides itself.
    const sideOf = (file: string) => (folderOf(file) === 'lib' ? file : folderOf(file))
    const users = new Map<string, Set<string>>()
    for (const [file, targets] of graph) {
      if (isTest(file)) continue
      for (const target of targets)
        if (folderOf(target) === 'lib') users.set(target, (users.get(target) ?? new Set()).add(sideOf(file)))
    }
    // A file in a subfolder is a part of the file that the folder is named after.
    const lonely = [...users]
      .filter(([file, folders]) => folders.size < 2 && !folders.has(`${dirname(file)}.ts`))
      .map(([file, folders]) => `${file} only from ${[...folders]}`)
    expect(lonely).toEqual([])
  })
})

describe('effects', () => {
  test('only main files touch environment, arguments, signals and exit', () => {
    const wrong = [...graph.keys()].filter(
      (file) =>
        !isTest(file) &&
        ['lib', 'agent', 'collector', 'cli', 'deploy'].includes(folderOf(file)) &&
        !/(^|[/.])main\.ts$/.test(file) &&
        /(?<!['.\w])process\.(env|argv|exit|exitCode|on|once|stdin|stdout|stderr)\b/.test(
          readFileSync(file, 'utf8'),
        ),
    )
    expect(wrong).toEqual([])
  })

  test('only agent/processes.ts of the agent starts programs', () => {
    const wrong = [...graph.keys()].filter(
      (file) =>
        folderOf(file) === 'agent' &&
        !isTest(file) &&
        file !== 'agent/processes.ts' &&
        /from '(execa|node:child_process)'/.test(readFileSync(file, 'utf8')),
    )
    expect(wrong).toEqual([])
  })

  test('files can be read in one sitting', () => {
    const long = files
      .filter((file) => folderOf(file) !== 'proto' && !isTest(file))
      .map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 300)
    expect(long).toEqual([])
  })
})
