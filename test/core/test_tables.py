from pose_estimation_ros.core.tables import table_lines


def test_columns_are_as_wide_as_their_longest_cell():
    assert table_lines([['name', 'ms'], ['a', '1.25'], ['longer', '10']], {1}) == [
        'name      ms',
        'a       1.25',
        'longer    10',
    ]


def test_lines_end_without_spaces():
    assert table_lines([['one', 'two'], ['a', 'b']]) == ['one  two', 'a    b']
