/** The workflows' scripts, run: names, tags and digests, the merge with a recorded docker, the comment. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Manifest, packedManifest, platformsOf } from '../../scripts/packed-manifest.ts';
import { root } from '../cli/run-cli.ts';

const SHA = 'a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0';
const DIGEST = `sha256:${'0f'.repeat(32)}`;
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
};

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-pipeline-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function script(name: string, args: string[], env: Record<string, string> = {}) {
  const path = name.includes('/') ? name : `.github/scripts/${name}`;
  return spawnSync('bash', [join(root, path), ...args], {
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      GITHUB_REPOSITORY: 'Some/Fork',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_SHA: SHA,
      ...env,
    },
  });
}

describe('image-tags.sh', () => {
  it('tags main as latest and by commit, a version by its number, and nothing else', () => {
    assert.equal(script('image-tags.sh', ['name']).stdout, 'name=ghcr.io/some/fork\n');
    assert.equal(script('image-tags.sh', ['tags']).stdout, 'sha-a1b2c3d4e5f6\nlatest\n');
    const tagged = script('image-tags.sh', ['tags'], { GITHUB_REF: `refs/tags/v${version}` });
    assert.equal(tagged.stdout, `sha-a1b2c3d4e5f6\n${version}\n`);
    const wrong = script('image-tags.sh', ['tags'], { GITHUB_REF: 'refs/tags/v999.0.0' });
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /not the version/);
    for (const ref of ['refs/heads/other', 'refs/pull/7/merge']) {
      assert.equal(script('image-tags.sh', ['tags'], { GITHUB_REF: ref }).status, 1, ref);
    }
    assert.equal(script('image-tags.sh', ['tags'], { GITHUB_SHA: '$(id)' }).status, 2);
    assert.equal(script('image-tags.sh', []).status, 2);
  });
});

describe('image-digest.sh', () => {
  it('carries a digest from job to job, and takes nothing else for one', (t) => {
    const folder = join(temporary(t), 'digest');
    assert.equal(script('image-digest.sh', ['write', folder, DIGEST]).status, 0);
    assert.equal(
      script('image-digest.sh', ['reference', folder]).stdout,
      `reference=ghcr.io/some/fork@${DIGEST}\n`,
    );
    for (const wrong of ['latest', `${DIGEST}0`, 'sha256:; rm -rf /']) {
      assert.equal(script('image-digest.sh', ['write', folder, wrong]).status, 2, wrong);
      writeFileSync(join(folder, 'digest'), wrong);
      assert.equal(script('image-digest.sh', ['reference', folder]).status, 2, wrong);
    }
  });
});

/** A docker that writes down how it was called and says what `imagetools inspect` would. */
function recordedDocker(t: TestContext) {
  const folder = temporary(t);
  const log = join(folder, 'log');
  writeFileSync(
    join(folder, 'docker'),
    `#!/bin/bash\nprintf '%s\\n' "$*" >> ${log}\ncase $* in *inspect*) echo '{"digest":"${DIGEST}"}';; esac\n`,
    { mode: 0o755 },
  );
  // jq is on GitHub's runners; here its one use
  writeFileSync(
    join(folder, 'jq'),
    '#!/bin/bash\nnode -p \'JSON.parse(require("fs").readFileSync(0, "utf8")).digest\'\n',
    { mode: 0o755 },
  );
  return {
    PATH: `${folder}:${process.env['PATH']}`,
    calls: () => readFileSync(log, 'utf8').trim().split('\n'),
  };
}

describe('image-merge.sh and image-copy.sh', () => {
  it('make one index of both architectures under all tags, and print its digest', (t) => {
    const { PATH, calls } = recordedDocker(t);
    const digests = temporary(t);
    for (const arch of ['amd64', 'arm64']) {
      script('image-digest.sh', ['write', join(digests, `digest-${arch}`), DIGEST]);
    }
    const merged = script('image-merge.sh', [digests], { PATH });
    assert.equal(merged.status, 0, merged.stderr);
    assert.equal(
      merged.stdout,
      `name=ghcr.io/some/fork\ndigest=${DIGEST}\nreference=ghcr.io/some/fork@${DIGEST}\n`,
    );
    const image = 'ghcr.io/some/fork';
    assert.equal(
      calls()[0],
      `buildx imagetools create --tag ${image}:sha-a1b2c3d4e5f6 --tag ${image}:latest ${image}@${DIGEST} ${image}@${DIGEST}`,
    );
    const copied = script('image-copy.sh', [`${image}@${DIGEST}`, 'docker.io/me/scratchpad'], {
      PATH,
    });
    assert.equal(copied.status, 0, copied.stderr);
    assert.equal(
      calls().at(-1),
      `buildx imagetools create --tag docker.io/me/scratchpad:sha-a1b2c3d4e5f6 --tag docker.io/me/scratchpad:latest ${image}@${DIGEST}`,
    );
  });

  it('publish no half: one architecture is refused before anything is tagged', (t) => {
    const { PATH } = recordedDocker(t);
    const digests = temporary(t);
    script('image-digest.sh', ['write', join(digests, 'digest-amd64'), DIGEST]);
    const merged = script('image-merge.sh', [digests], { PATH });
    assert.equal(merged.status, 1);
    assert.match(merged.stderr, /two architectures are published, not 1/);
  });
});

type Post = (parts: Record<string, unknown>) => Promise<void>;
const post = createRequire(import.meta.url)(
  join(root, '.github/scripts/performance-comment.cjs'),
) as Post;

describe('performance-comment.cjs', () => {
  interface Call {
    verb: string;
    parts: Record<string, unknown>;
  }
  function world(options: { headSha?: string; comments?: unknown[] } = {}) {
    const calls: Call[] = [];
    const notices: string[] = [];
    const record = (verb: string) => async (parts: Record<string, unknown>) => {
      calls.push({ verb, parts });
    };
    const pulls = { list: 'pulls' };
    const issues = {
      listComments: 'comments',
      createComment: record('create'),
      updateComment: record('update'),
    };
    const github = {
      rest: { pulls, issues },
      paginate: async (what: unknown) =>
        what === 'pulls'
          ? [
              { number: 6, head: { sha: 'f'.repeat(40) } },
              { number: 7, head: { sha: options.headSha ?? SHA } },
            ]
          : (options.comments ?? []),
    };
    const context = {
      repo: { owner: 'o', repo: 'r' },
      payload: {
        workflow_run: {
          head_sha: SHA,
          head_branch: 'change',
          head_repository: { owner: { login: 'someone' } },
          html_url: 'https://github.com/o/r/actions/runs/1',
        },
      },
    };
    return { calls, notices, github, context, core: { notice: (t: string) => notices.push(t) } };
  }
  const folderWith = (t: TestContext, text: string) => {
    const folder = temporary(t);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'comment.md'), text);
    return folder;
  };

  it('comments on the pull request whose head was run, once', async (t) => {
    const folder = folderWith(t, '## Performance: no regression found');
    const first = world();
    await post({ ...first, folder });
    assert.equal(first.calls.length, 1);
    assert.equal(first.calls[0]!.verb, 'create');
    assert.equal(first.calls[0]!.parts['issue_number'], 7);
    const body = String(first.calls[0]!.parts['body']);
    assert.match(body, /no regression found/);

    const again = world({ comments: [{ id: 99, user: { type: 'Bot' }, body }] });
    await post({ ...again, folder });
    assert.deepEqual(
      again.calls.map(({ verb, parts }) => [verb, parts['comment_id']]),
      [['update', 99]],
    );
    const foreign = world({ comments: [{ id: 98, user: { type: 'User' }, body }] });
    await post({ ...foreign, folder });
    assert.equal(foreign.calls[0]!.verb, 'create', 'a person’s comment is never overwritten');
  });

  it('posts nothing where the head has moved on, or there is no verdict', async (t) => {
    const moved = world({ headSha: 'e'.repeat(40) });
    await post({ ...moved, folder: folderWith(t, 'text') });
    const none = world();
    await post({ ...none, folder: temporary(t) });
    assert.deepEqual([moved.calls, none.calls], [[], []]);
    assert.equal(moved.notices.length + none.notices.length, 2);
  });

  it('takes the artifact as text: no mention, no markup, no link to another file, no flood', async (t) => {
    const hostile = world();
    const text = 'hey @everyone <script>x</script> <!-- scratchpad --> ![p](https://x/y.png)';
    await post({ ...hostile, folder: folderWith(t, `${text}<details>kept</details>`) });
    const body = String(hostile.calls[0]!.parts['body']);
    assert.doesNotMatch(body, /@everyone|<script|!\[/);
    assert.equal(body.match(/<!--/g)?.length, 1, 'our own marker alone');
    assert.match(body, /<details>kept<\/details>/);

    const linked = temporary(t);
    symlinkSync('/etc/hostname', join(linked, 'comment.md'));
    await assert.rejects(post({ ...world(), folder: linked }), /no short file/);
    const flood = folderWith(t, 'x'.repeat(65_001));
    await assert.rejects(post({ ...world(), folder: flood }), /no short file/);
  });
});

describe('performance.sh', () => {
  it('fails for a regression and for what cannot be built; noise is a warning', (t) => {
    const folder = temporary(t);
    writeFileSync(join(folder, 'npm'), '#!/bin/bash\necho "$*"\nexit "$SAYS"\n', { mode: 0o755 });
    const PATH = `${folder}:${process.env['PATH']}`;
    for (const [says, status] of [
      [0, 0],
      [3, 3],
      [4, 0],
      [5, 5],
    ] as const) {
      const result = script('performance.sh', ['perf'], { PATH, SAYS: String(says) });
      assert.equal(result.status, status);
      assert.match(
        result.stdout,
        /^run --silent bench:pr -- HEAD\^1 HEAD .*--pairs 10 --out perf$/m,
      );
      assert.equal(result.stdout.includes('::warning::'), says === 4);
    }
  });
});

describe('image-size.sh', () => {
  it('holds an image to its budget, and fails where either cannot be read', (t) => {
    const folder = temporary(t);
    const removed = join(folder, 'removed');
    writeFileSync(
      join(folder, 'docker'),
      `#!/bin/bash
case $* in
  "create --pull=never unknown") exit 1 ;;
  "create --pull=never "*) echo "of-$3" ;;
  "export of-big") head -c 2000 /dev/zero ;;
  "export of-small") head -c 999 /dev/zero ;;
  "export of-cut-off") head -c 999 /dev/zero; exit 1 ;;
  "export of-empty") ;;
  "rm --volumes of-"*) echo "$3" >> "${removed}" ;;
  *) echo "unexpected: $*" >&2; exit 99 ;;
esac
`,
      { mode: 0o755 },
    );
    const PATH = `${folder}:${process.env['PATH']}`;
    const budget = join(folder, 'budget');
    writeFileSync(budget, '# bytes\n1000\n');
    const size = (image: string, file = budget) =>
      script('scripts/image-size.sh', [image, file], { PATH });
    assert.equal(size('small').status, 0);
    const over = size('big');
    assert.equal(over.status, 1);
    assert.match(over.stderr, /over budget by 1000 bytes/);
    assert.equal(size('unknown').status, 2);
    // a size that cannot be read is no pass
    assert.equal(size('cut-off').status, 2);
    assert.equal(size('empty').status, 2);
    assert.deepEqual(readFileSync(removed, 'utf8').trim().split('\n'), [
      'of-small',
      'of-big',
      'of-cut-off',
      'of-empty',
    ]);
    for (const text of ['plenty', '1000\n2000\n', '1000 bytes', '-1']) {
      writeFileSync(budget, text);
      assert.equal(size('small').status, 2, text);
    }
  });
});

describe('the manifest of the package', () => {
  it('names the systems that its native libSQL runs on, and no script', () => {
    assert.deepEqual(platformsOf(['linux-x64-gnu']), {
      os: ['linux'],
      cpu: ['x64'],
      libc: ['glibc'],
    });
    assert.deepEqual(platformsOf(['darwin-arm64']), { os: ['darwin'], cpu: ['arm64'] });
    assert.deepEqual(platformsOf(['win32-x64-msvc']), { os: ['win32'], cpu: ['x64'] });
    assert.deepEqual(platformsOf(['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu']), {
      os: ['linux'],
      cpu: ['arm64', 'x64'],
      libc: ['glibc', 'musl'],
    });
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
    const packed = packedManifest(manifest, ['linux-x64-gnu']);
    assert.deepEqual([packed.scripts, packed.devDependencies], [undefined, undefined]);
    assert.deepEqual(packed['os'], ['linux']);
    assert.equal(manifest['os'], undefined, 'a checkout is for every system');
  });
});
