import type { Command } from 'commander'
import type { Profile, ProfileStep } from '#proto/meshgauge/collector/v1/profile.ts'
import { formatExpected } from '../../lib/expectations.ts'
import { counted } from '../../lib/units.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readProfileSource, readProfileText } from '../options/profile-source.ts'
import { sanitize } from '../render/paint.ts'
import { profileDocument } from '../render/profile-text.ts'
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
        sanitize(name),
        String(steps.length),
        String(expectationsOf(steps)),
        sanitize(description),
      ])
      printLine(terminal.stdout, renderTable(['NAME', 'TESTS', 'EXPECTATIONS', 'DESCRIPTION'], rows, paint))
    }
    return EXIT.healthy
  })

const show = (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems } = invocation
  if (operands[0] === undefined) read.refuse('NAME', 'is missing: give the name of a profile, or a file')
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
    return `  ${sanitize(name)}: ${limits.join(', ') || 'no expectations'}`
  })

/** Checks a profile file. Needs no collector. */
const validate = async (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems } = invocation
  const [file] = operands
  if (file === undefined) read.refuse('FILE', 'is missing: give the profile file to check')
  const text = file === undefined ? undefined : readProfileText('FILE', file, problems)
  invocation.throwIfWrong()
  const { readProfile } = await import('../../collector/profiles/profile.ts')
  const { profileMessage } = await import('../../collector/profiles/profile-message.ts')
  const profile = profileMessage(readProfile(file ?? '', text ?? ''))
  if (options.json) printJson(terminal.stdout, { valid: true, ...profileDocument(profile) })
  else {
    const { steps } = profile
    const head = `${file}: profile "${sanitize(profile.name)}" is valid: ${counted(steps.length, 'test')}, ${counted(expectationsOf(steps), 'expectation')}.`
    printLine(terminal.stdout, [head, ...describe(profile)].join('\n'))
  }
  return EXIT.healthy
}

export const addProfilesCommand = (program: Command, app: App): void => {
  const profiles = program
    .command('profiles')
    .summary('List, show and check profiles.')
    .description(
      `A profile is a YAML file with a set of tests: their topologies, parameters and expectations. meshgauge has built-in
profiles, and the configuration of the collector can add others. Start your own with
"meshgauge profiles show NAME > mine.yaml".`,
    )
  withExamples(profiles, [
    ['meshgauge profiles list', 'list the profiles of the collector'],
    ['meshgauge profiles show latency > mine.yaml', 'save the YAML text of one'],
    ['meshgauge profiles validate mine.yaml', 'list every problem of a file; exit code 2 if there is one'],
    ['meshgauge run --profile mine.yaml --dry-run', 'show what it would do'],
    ['meshgauge run --profile baseline', 'run it'],
  ])
  app.handle(
    profiles.command('list').description('List the built-in profiles and those of the configuration.'),
    0,
    list,
  )
  app.handle(
    profiles
      .command('show')
      .description('Print the YAML text of a profile. With --json, also print its tests.')
      .argument('[NAME]', 'Name of a profile of the collector, or a YAML file.'),
    1,
    show,
  )
  app.handle(
    profiles
      .command('validate')
      .description('Check a profile file and list every problem with its line. Needs no collector.')
      .argument('[FILE]', 'The YAML file.'),
    1,
    validate,
  )
}
