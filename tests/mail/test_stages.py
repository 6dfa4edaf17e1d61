"""Which stage a letter announces the result of, and what a marker's word for a stage means."""

import pytest

from gateway.mail import words
from gateway.mail.notice import stages

LETTERS = [
    ("一次面接の結果、", ["interview_1"]),
    ("1次面接の結果", ["interview_1"]),
    ("１次面接の選考結果", ["interview_1"]),
    ("第一次選考の結果", ["interview_1"]),
    ("第１次面接結果", ["interview_1"]),
    ("一次面談の結果につきまして", ["interview_1"]),
    ("二次面接の結果", ["interview_2"]),
    ("2次選考の結果", ["interview_2"]),
    ("第2次面接の合否について", ["interview_2"]),
    ("三次面接の結果", ["三次面接"]),
    ("３次面接の結果", ["3次面接"]),
    ("最終面接の結果", ["final"]),
    ("最終選考の結果", ["final"]),
    ("最終面接につきまして、慎重に検討いたしました結果、", ["final"]),
    ("先日の最終面接の選考を慎重に進めました結果", ["final"]),
    ("書類選考の結果", ["screening"]),
    ("書類審査の結果、", ["screening"]),
    ("応募書類を選考いたしました結果", []),
    ("慎重に書類選考を行いました結果", ["screening"]),
    ("書類選考を行い、慎重に検討した結果", []),
    ("社内にて慎重に選考を進めた結果", []),
    ("適性検査の結果", ["test"]),
    ("Webテストの結果", ["test"]),
    ("ＷＥＢテストの結果", ["test"]),
    ("WEB適性検査の結果", ["test"]),
    ("コーディングテストの結果", ["test"]),
    ("SPIの結果", ["test"]),
    ("筆記試験の結果", ["test"]),
    ("カジュアル面談の結果", ["casual"]),
    ("ｶｼﾞｭｱﾙ面談の結果", ["casual"]),
    ("グループ面接の結果", ["グループ面接"]),
    ("役員面接の結果", ["役員面接"]),
    ("エントリーシート選考の結果", ["entry"]),
    ("エントリーシートの選考結果", ["entry"]),
    ("エントリーいただいた選考の結果", []),
    ("書類選考通過後の面接の結果", []),
    ("書類選考を通過し最終面接の結果", ["final"]),
    ("適性検査および面接の結果", []),
    ("最終面接のご案内", []),
    ("最終面接にお越しいただきありがとうございました。選考の結果、", []),
    ("最終面接にお進みいただくため、書類選考の結果", ["screening"]),
    ("最終面接の日程調整の結果", []),
    ("一次選考（書類選考）の結果", []),
    ("選考結果のご連絡（最終面接）", ["final"]),
    ("選考結果のお知らせ【二次面接】", ["interview_2"]),
    ("■選考段階：最終面接", ["final"]),
    ("面接の結果", []),
    ("一次面接の\n結果につきまして", ["interview_1"]),
    ("書類選\n考の結果", ["screening"]),
    ("選考の結果、次回の最終面接", []),
    ("第十一次面接の結果", []),
    ("11次面接の結果", []),
    ("the results of your final interview", ["final"]),
    ("Following your second interview, we", ["interview_2"]),
    ("after the first round interview", ["interview_1"]),
    ("the outcome of the coding test", ["test"]),
    ("the result of our document screening", ["screening"]),
    ("Based on your technical assessment", ["test"]),
    ("your final-round interview results", ["final"]),
    ("after careful review of your application", []),
    ("We would like to invite you to a final interview", []),
    ("After your 1st interview", ["interview_1"]),
    ("Following the casual chat", ["casual"]),
    ("final round of interviews", []),
    ("after the final round of interviews", ["final"]),
    ("following your online assessment", ["test"]),
    ("outcome of the resume screening", ["screening"]),
    ("after our third interview", ["third interview"]),
    ("Thank you for attending the final interview", []),
]
WRITTEN = [
    ("一次面接", "interview_1"),
    ("１次面接", "interview_1"),
    ("第二次選考", "interview_2"),
    ("最終", "final"),
    ("最終役員面接", "final"),
    ("書類", "screening"),
    ("書類選考結果", "screening"),
    ("ＷＥＢテスト", "test"),
    ("カジュアル面談", "casual"),
    ("エントリー", "entry"),
    ("ES", "entry"),
    ("Final Interview", "final"),
    ("final round", "final"),
    ("first interview", "interview_1"),
    ("2nd round", "interview_2"),
    ("Interview 2", "interview_2"),
    ("coding test", "test"),
    ("résumé screening", "screening"),
    ("三次面接", "三次面接"),
    ("役員面接", "役員面接"),
    ("懇親会", "懇親会"),
    ("INTERVIEW_1", "interview_1"),
    ("一次面接通過", "一次面接通過"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "found"), LETTERS)
def test_a_stage_counts_where_its_result_is_announced(text: str, found: list[str]) -> None:
    assert stages.stages_in(words.unwrapped(text), text) == found


@pytest.mark.parametrize(("written", "stage"), WRITTEN)
def test_a_marker_s_stage_is_one_of_ours_or_stays_as_it_is(written: str, stage: str) -> None:
    assert stages.stage_of(written) == stage


def test_free_text_contradicts_no_stage() -> None:
    """An interview with executives may be the last one or not."""
    assert stages.same_stage("役員面接", "final") is None
    assert stages.same_stage("役員面接", "役員面接") is True
    assert stages.same_stage("final", "interview_1") is False
