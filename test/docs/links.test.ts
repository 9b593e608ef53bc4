/**
 * Every Markdown file of the repository: what it links to is there, headings included; addresses
 * outside are well-formed and https. Nothing is fetched.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../cli/run-cli.ts';
import { anchorsOf, linksOf, proseOf } from './markdown.ts';

const files = globSync('**/*.md', {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|coverage|results)$/.test(path),
}).concat(globSync('docs/results/*/*.md', { cwd: root }));

describe('Markdown files', () => {
  it('are found', () => {
    for (const file of ['README.md', 'docs/METHOD.md', 'CHANGELOG.md']) {
      assert.ok(files.includes(file), file);
    }
  });

  for (const file of files) {
    it(`${file}: links lead somewhere`, () => {
      const text = readFileSync(join(root, file), 'utf8');
      for (const target of linksOf(text)) {
        if (/^[a-z][a-z+.-]*:/i.test(target)) {
          const url = new URL(target);
          assert.ok(
            ['https:', 'mailto:'].includes(url.protocol),
            `${target} is not https: nobody can trust what it leads to`,
          );
          continue;
        }
        const [path = '', anchor] = target.split('#');
        const place =
          path === '' ? join(root, file) : join(root, dirname(file), decodeURIComponent(path));
        assert.ok(existsSync(place), `links to ${target}, which is not there`);
        assert.ok(!relative(root, place).startsWith('..'), `${target} leads out of the repository`);
        if (anchor === undefined) continue;
        assert.ok(statSync(place).isFile(), `${target}: a folder has no headings`);
        const anchors = anchorsOf(readFileSync(place, 'utf8'));
        assert.ok(anchors.includes(anchor), `${target}: the headings are ${anchors.join(', ')}`);
      }
    });

    it(`${file}: files that it names in prose exist`, () => {
      const prose = proseOf(readFileSync(join(root, file), 'utf8'));
      for (const [path] of prose.matchAll(/(?<![\w/.-])docs\/[\w./-]+\.md/g)) {
        assert.ok(existsSync(join(root, path)), `names ${path}`);
      }
    });
  }
});

describe('the link test itself', () => {
  const sample = [
    '# A title, with `code` & more',
    '## Twice',
    '## Twice',
    '[one](a.md#b "title") ![two](<b c.svg>) <https://example.org/x>',
    '[three]: c.md',
    '```md\n[not](a-link.md)\n# not a heading\n```',
    '`[nor](this.md)`',
    '',
    '    run(x)[0](nor.md, indented);',
    '',
    '- item',
    '    [four](d.md)',
  ].join('\n');

  it('finds links in each of their forms, and none in code', () => {
    assert.deepEqual(linksOf(sample), [
      'a.md#b',
      'b c.svg',
      'https://example.org/x',
      'c.md',
      'd.md',
    ]);
  });

  it('names headings as GitHub does', () => {
    assert.deepEqual(anchorsOf(sample), ['a-title-with-code--more', 'twice', 'twice-1']);
  });
});
