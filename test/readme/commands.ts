/** The lines of every ```sh block, in order. */
export function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/```sh\n([\s\S]*?)```/g)]
    .flatMap((match) => match[1]!.split('\n'))
    .map((line) => line.trim())
    .filter(Boolean);
}
