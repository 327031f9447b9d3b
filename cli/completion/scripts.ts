/** Completion scripts. They find the command that was typed so far, and then offer its subcommands, options and values. */

import type { CompletedCommand, CompletedOption, SHELLS } from './command-tree.ts'

/** A text in single quotes, for a POSIX shell and zsh. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const flagsOf = (options: readonly CompletedOption[]): string[] => options.flatMap(({ flags }) => flags)

/** The flags of all commands whose value is the next word. */
const valueFlags = (commands: readonly CompletedCommand[]): string[] => [
  ...new Set(commands.flatMap(({ options }) => flagsOf(options.filter(({ takesValue }) => takesValue)))),
]

/** One line of a `case` for each option with known values. */
const choiceCases = (commands: readonly CompletedCommand[], line: (words: string) => string): string[] => {
  const all = commands.flatMap(({ options }) => options.filter(({ choices }) => choices.length > 0))
  const byFlags = new Map(all.map(({ flags, choices }) => [flags.join('|'), choices.join(' ')]))
  return [...byFlags].map(([flags, words]) => `    ${flags}) ${line(words)} ;;`)
}

const pathCases = (commands: readonly CompletedCommand[]): string =>
  commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join('|')

const bash = (commands: readonly CompletedCommand[]): string => `# Completion of meshgauge for bash.
# Load it with: source <(meshgauge completion bash)
_meshgauge() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= skip= word index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
      ${valueFlags(commands).join('|')}) skip=1; continue ;;
    esac
    case "\${path:+$path }$word" in
      ${pathCases(commands)}) path="\${path:+$path }$word" ;;
    esac
  done
  case $previous in
${choiceCases(commands, (words) => `COMPREPLY=($(compgen -W ${quoted(words)} -- "$current")); return`).join('\n')}
  esac
  # The value of another option: file names, by -o default.
  [[ -n $skip ]] && return
  local words= options=
  case $path in
${commands
  .map(
    ({ path, subcommands, operands, options }) =>
      `    ${quoted(path)}) words=${quoted([...subcommands.map(({ name }) => name), ...operands].join(' '))} options=${quoted(flagsOf(options).join(' '))} ;;`,
  )
  .join('\n')}
  esac
  [[ $current == -* ]] && words=$options
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _meshgauge meshgauge
`

/** The words with their descriptions, as zsh's _describe reads them. */
const described = (entries: readonly { name: string; description: string }[]): string =>
  entries.map(({ name, description }) => quoted(`${name.replaceAll(':', '\\:')}:${description}`)).join(' ')

const zsh = (commands: readonly CompletedCommand[]): string => `#compdef meshgauge
# Completion of meshgauge for zsh.
# Load it with: source <(meshgauge completion zsh), or save it as _meshgauge in a folder of $fpath.
_meshgauge() {
  local current=\${words[CURRENT]} previous=\${words[CURRENT-1]} place= skip= word index
  for ((index = 2; index < CURRENT; index++)); do
    word=\${words[index]}
    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
      ${valueFlags(commands).join('|')}) skip=1; continue ;;
    esac
    case "\${place:+$place }$word" in
      ${pathCases(commands)}) place="\${place:+$place }$word" ;;
    esac
  done
  case $previous in
${choiceCases(commands, (words) => `compadd -- ${words}; return`).join('\n')}
  esac
  if [[ -n $skip ]]; then _files; return; fi
  local -a entries options
  case $place in
${commands
  .map(
    ({ path, subcommands, operands, options }) =>
      `    ${quoted(path)}) entries=(${described([...subcommands, ...operands.map((name) => ({ name, description: '' }))])}) options=(${described(options.flatMap(({ flags, description }) => flags.map((name) => ({ name, description }))))}) ;;`,
  )
  .join('\n')}
  esac
  if [[ $current == -* ]]; then _describe -o option options
  elif (( \${#entries} )); then _describe command entries
  else _files
  fi
}
compdef _meshgauge meshgauge
`

/** A text in single quotes, for fish. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const fishOption = (path: string, { flags, description, takesValue, choices }: CompletedOption): string => {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  const value = choices.length > 0 ? ` -x -a ${fishQuoted(choices.join(' '))}` : takesValue ? ' -r' : ''
  return `complete -c meshgauge -n ${fishQuoted(`__meshgauge_at ${fishQuoted(path)}`)} ${names.join(' ')}${value} -d ${fishQuoted(description)}`
}

const fish = (commands: readonly CompletedCommand[]): string => `# Completion of meshgauge for fish.
# Load it with: meshgauge completion fish | source
function __meshgauge_at
  set -l path
  set -l skip
  for word in (commandline -opc)[2..]
    if test -n "$skip"
      set skip
      continue
    end
    if contains -- $word ${valueFlags(commands).join(' ')}
      set skip 1
      continue
    end
    if contains -- (string join ' ' $path $word) ${commands
      .filter(({ path }) => path !== '')
      .map(({ path }) => fishQuoted(path))
      .join(' ')}
      set path $path $word
    end
  end
  test "$path" = "$argv[1]"
end
${commands
  .flatMap(({ path, subcommands, operands, options }) => {
    const at = fishQuoted(`__meshgauge_at ${fishQuoted(path)}`)
    return [
      ...subcommands.map(
        ({ name, description }) =>
          `complete -c meshgauge -f -n ${at} -a ${name} -d ${fishQuoted(description)}`,
      ),
      ...(operands.length > 0
        ? [`complete -c meshgauge -f -n ${at} -a ${fishQuoted(operands.join(' '))}`]
        : []),
      ...options.map((option) => fishOption(path, option)),
    ]
  })
  .join('\n')}
`

/** The completion script of a shell. */
export const COMPLETION_SCRIPTS: Record<
  (typeof SHELLS)[number],
  (commands: readonly CompletedCommand[]) => string
> = {
  bash,
  zsh,
  fish,
}
