"""Runs the blocks of one page in the current folder: `python doc_runner.py PAGE`; says which block fails.

One process runs them all, since importing the package takes longer than most blocks. Commands get options that make
them short.
"""

import os
import subprocess
import sys
import traceback
from pathlib import Path

from doc_pages import REPOSITORY, Block, blocks_of, our_arguments

from pose_estimation_ros.apps.cli import main

PART = '[{kind: synthetic, count: 4, size: [96, 96]}]'
SHORTER = {
    'infer': ['--limit', '2'],
    'evaluate': ['--limit', '2'],
    'demo': ['--seconds', '0.1', '--local'],
    'benchmark': ['--frames', '2'],
    'train': ['--trainer.max_steps', '1', '--trainer.batch_size', '2', '--trainer.num_workers', '0',
              '--data.train', PART, '--data.validation', PART, '--data.root', 'data', '--logging.progress', 'false'],
}  # fmt: skip
"""What is added to a command, by its name."""


def shortened(arguments: list[str]) -> list[str]:
    """Return a command that does the same with less."""
    name = arguments[0]
    if arguments[:2] == ['prepare', 'synthetic']:
        return [*arguments, '--count', '2']
    if name == 'train' and ('--resume' in arguments or '--print_config' in arguments):
        return arguments
    more = SHORTER.get(name, [])
    if name == 'benchmark' and '--tracking' not in arguments:
        more = [*more, '--people', '1', '--threads', '1']
    return [*arguments, *more]


def expanded(word: str) -> list[str]:
    """Do what a shell does with variables and patterns."""
    word = os.path.expandvars(word)
    found = sorted(map(str, Path().glob(word))) if '*' in word else []
    return found or [word]


def run_bash(block: Block) -> None:
    for words in block.commands:
        arguments = our_arguments([part for word in words for part in expanded(word)])
        if arguments is None:
            subprocess.run(['bash', '-euc', ' '.join(words)], check=True)
            continue
        try:
            code = main(shortened(arguments))
        except SystemExit as leaving:
            code = leaving.code
        if code:
            raise RuntimeError(f'{" ".join(words)} ended with code {code}')


def run(page: Path) -> int:
    failed = 0
    for block in filter(lambda each: each.runs, blocks_of(page)):
        print(f'--- {block}', file=sys.stderr, flush=True)
        try:
            if block.language == 'bash':
                run_bash(block)
            else:
                exec(compile(block.code, f'{block}', 'exec'), {'__name__': 'page'})
        except Exception:
            traceback.print_exc()
            print(f'FAILED {block}', file=sys.stderr)
            failed += 1
    return failed


if __name__ == '__main__':
    sys.exit(run(REPOSITORY / sys.argv[1]))
