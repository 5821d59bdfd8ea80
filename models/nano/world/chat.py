"""Greetings, who are you, thanks, goodbye, music, and the honest "I can't do that" outside this world."""

from random import Random

from models.nano.world.spoken import Exchange

INTENTS: tuple[tuple[tuple[str, ...], str, tuple[str, ...], str], ...] = (
    (("hello", "hi", "hi there", "hello there", "hey"), "Hello! What can I do for you?",
     ("你好", "您好", "你好啊"), "你好！我能帮你做什么？"),
    (("good morning", "morning"), "Good morning!", ("早上好", "早安"), "早上好！"),
    (("good evening",), "Good evening!", ("晚上好",), "晚上好！"),
    (("good night",), "Good night!", ("晚安",), "晚安！"),
    (("who are you", "what are you", "what is your name", "what's your name"), "I am Nano, a small speech assistant.",
     ("你是谁", "你叫什么名字", "你叫什么", "你是什么"), "我是 Nano，一个小小的语音助手。"),
    (("how are you", "how are you today"), "I am fine, thank you.", ("你好吗", "你怎么样", "最近好吗"), "我很好，谢谢。"),
    (("thank you", "thanks", "thank you very much", "thanks a lot"), "You're welcome.",
     ("谢谢", "谢谢你", "非常感谢", "多谢"), "不客气。"),
    (("goodbye", "bye", "see you later", "see you tomorrow"), "Goodbye!", ("再见", "拜拜", "明天见"), "再见！"),
    (("what can you do", "help", "how can you help me", "help me please"),
     "I write short Python code, calculate, translate words, and answer simple questions.",
     ("你能做什么", "你会做什么", "帮帮我", "你有什么用"), "我会写简短的 Python 代码、做算术、翻译单词，还能回答简单的问题。"),
    (("who made you", "where do you come from"), "I was trained from scratch by the edge-llasm project.",
     ("谁创造了你", "你从哪里来", "谁做了你"), "我是 edge-llasm 项目从零训练出来的。"),
    (("do you need the internet", "are you online", "do you hear me online"), "No, I run on your computer alone.",
     ("你需要网络吗", "你要上网吗", "你在网上吗"), "不需要，我只在你的电脑上运行。"),
    (("do you speak chinese", "can you speak chinese"), "Yes, I speak English and Chinese.",
     ("你会说英文吗", "你会说中文吗", "你说什么语言"), "会，我会说中文和英文。"),
    (("yes", "okay", "good", "great"), "Good.", ("好", "好的", "很好"), "好的。"),
    (("are you a person", "are you human"), "No, I am a small language model.",
     ("你是人吗", "你是真人吗"), "不是，我是一个小小的语言模型。"),
)  # fmt: skip

REFUSED_EN = (
    "what is the weather today", "will it rain tomorrow", "book a flight to paris", "call my mother", "turn on the light",
    "tell me a joke", "what time is it", "send an email to my boss", "order a pizza", "read me the news",
    "what day is it today", "buy me a ticket", "who won the game", "take a picture", "set an alarm for seven",
    "write a poem about the sea", "what should i wear today", "draw a cat", "how old am i", "where is my phone",
    "turn off the light", "tell me a story", "sing a song", "write a letter to my teacher", "how much is a house",
)  # fmt: skip
REFUSED_ZH = (
    "今天天气怎么样", "明天会下雨吗", "帮我订一张机票", "给我妈妈打电话", "打开灯", "讲个笑话", "现在几点", "给老板发邮件",
    "我要点外卖", "今天有什么新闻", "今天星期几", "帮我买票", "谁赢了比赛", "帮我拍照", "七点叫我起床", "写一首关于大海的诗",
    "今天穿什么", "画一只猫", "我多大了", "我的手机在哪里", "关灯", "讲个故事", "唱首歌", "给老师写一封信", "房子多少钱",
)  # fmt: skip
REFUSAL_EN, REFUSAL_ZH = "I can't do that.", "这个我不会。"

SONGS: tuple[tuple[str, str, str], ...] = (  # (singer, as written; song, as written; language of both)
    ("Taylor Swift", "Red", "en"), ("Taylor Swift", "Lover", "en"), ("Taylor Swift", "Style", "en"),
    ("Adele", "Hello", "en"), ("Michael Jackson", "Bad", "en"), ("The Beatles", "Yesterday", "en"),
    ("The Beatles", "Help", "en"), ("John Lennon", "Imagine", "en"), ("Madonna", "Music", "en"), ("Queen", "One Vision", "en"),
    ("周杰伦", "晴天", "zh"), ("周杰伦", "青花瓷", "zh"), ("邓丽君", "甜蜜蜜", "zh"), ("王菲", "红豆", "zh"), ("李健", "传奇", "zh"),
)  # fmt: skip
PLAY_EN = ("play {song} by {singer}", "i want to hear {song} by {singer}", "please play {song} by {singer}")
PLAY_ZH = (
    "我想听{singer}的{song}",
    "播放{singer}的{song}",
    "放一首{singer}的{song}",
    "请播放{singer}的{song}",
)


def generate(rng: Random) -> Exchange:
    subject = rng.random()
    if subject < 0.45:
        en, en_answer, zh, zh_answer = rng.choice(INTENTS)
        said, answer = (rng.choice(en), en_answer) if rng.random() < 0.5 else (rng.choice(zh), zh_answer)
        return Exchange("chat", ((said, answer),))
    if subject < 0.75:
        said, answer = (
            (rng.choice(REFUSED_EN), REFUSAL_EN)
            if rng.random() < 0.5
            else (rng.choice(REFUSED_ZH), REFUSAL_ZH)
        )
        return Exchange("refusal", ((said, answer),))
    return music(rng)


def music(rng: Random) -> Exchange:
    singer, song, language = rng.choice(SONGS)
    form = rng.choice(PLAY_EN) if language == "en" and rng.random() < 0.4 else rng.choice(PLAY_ZH)
    said = form.format(singer=f" {singer.lower()} ", song=f" {song.lower()} ")
    return Exchange("music", ((said, f":play {singer} - {song}"),))
