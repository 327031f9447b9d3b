import type { Command } from 'commander'
import type { Profile, ProfileStep } from '#proto/meshgauge/collector/v1/profile.ts'
import { formatExpected } from '../../lib/expectations.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { readProfileSource, readProfileText } from '../options/profile-source.ts'
import { counted } from '../render/figures.ts'
import { harmless } from '../render/paint.ts'
import { profileDocument } from '../render/profile.ts'
import { renderTable } from '../render/table.ts'
import { printJson, printLine } from '../terminal.ts'

const expectationsOf = (steps: readonly ProfileStep[]): number =>
  steps.reduce((sum, { spec }) => sum + (spec?.expectations.length ?? 0), 0)

const list = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, options, paint } = invocation
    const profiles = await readAll(
      (page) => client.profiles.listProfiles(page),
      ({ profiles }) => profiles,
    )
    if (options.json) printJson(terminal.stdout, { profiles: profiles.map(profileDocument) })
    else {
      const rows = profiles.map(({ name, steps, description }) => [
        harmless(name),
        String(steps.length),
        String(expectationsOf(steps)),
        harmless(description),
      ])
      printLine(
        terminal.stdout,
        renderTable(['NAME', 'TESTS', 'EXPECTATIONS', 'WHAT IT IS FOR'], rows, paint),
      )
    }
    return EXIT.healthy
  })

const show = (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems } = invocation
  if (operands[0] === undefined) read.refuse('NAME', 'is missing: a profile of the collector, or a file')
  const source = readProfileSource('NAME', operands[0] ?? '', problems)
  return withClient(invocation, async (client) => {
    const { profile } = await client.profiles.resolveProfile({ profile: source })
    if (!profile) throw new Error('the collector answered ResolveProfile without a profile')
    if (options.json) printJson(terminal.stdout, { ...profileDocument(profile), yaml: profile.yaml })
    else terminal.stdout.write(profile.yaml.endsWith('\n') ? profile.yaml : `${profile.yaml}\n`)
    return EXIT.healthy
  })
}

const describe = (profile: Profile): string[] =>
  profile.steps.map(({ name, spec }) => {
    const limits = (spec?.expectations ?? []).map(
      ({ name: expectation, limit }) => `${expectation} ${formatExpected(expectation, limit)}`,
    )
    return `  ${harmless(name)}: ${limits.join(', ') || 'expects nothing'}`
  })

/** Needs no collector: what is wrong with a file is wrong everywhere. */
const validate = async (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems } = invocation
  const [file] = operands
  if (file === undefined) read.refuse('FILE', 'is missing: the profile to look at')
  const text = file === undefined ? undefined : readProfileText('FILE', file, problems)
  invocation.throwIfWrong()
  const { readProfile } = await import('../../collector/profiles/profile.ts')
  const profile = readProfile(file ?? '', text ?? '')
  if (options.json) printJson(terminal.stdout, { valid: true, ...profileDocument(profile) })
  else {
    const { steps } = profile
    const head = `${file}: profile "${harmless(profile.name)}" is good: ${counted(steps.length, 'test')}, ${counted(expectationsOf(steps), 'expectation')}.`
    printLine(terminal.stdout, [head, ...describe(profile)].join('\n'))
  }
  return EXIT.healthy
}

export const addProfilesCommand = (program: Command, app: App): void => {
  const profiles = program
    .command('profiles')
    .summary('named sets of tests with what they must reach')
    .description(
      `A profile is a YAML file that names tests, their topology and parameters, and what they must reach. Some come with
meshgauge, and the collector's config may give more. "meshgauge profiles show NAME > mine.yaml" is a start for one of
your own.`,
    )
  withExamples(profiles, [
    ['meshgauge profiles list', 'those that the collector has'],
    ['meshgauge profiles show latency > mine.yaml', 'the text of one'],
    ['meshgauge profiles validate mine.yaml', 'every problem with its place; exit code 2 when there is one'],
    ['meshgauge run --profile mine.yaml --dry-run', 'what it would do'],
    ['meshgauge run --profile baseline', 'does it'],
  ])
  app.handle(
    profiles.command('list').description('Lists the built-in profiles and those of the config.'),
    0,
    list,
  )
  app.handle(
    profiles
      .command('show')
      .description('Prints the text of a profile; with --json also the runs it is made of.')
      .argument('[NAME]', 'a profile of the collector, or a file'),
    1,
    show,
  )
  app.handle(
    profiles
      .command('validate')
      .description('Checks a file and lists every problem with its place. Needs no collector.')
      .argument('[FILE]', 'the YAML file'),
    1,
    validate,
  )
}
