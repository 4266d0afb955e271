"""Own sentences for moderation and spam. Not a test: imported by path.

``TUNE`` was looked at while the cues were written. ``HELD_OUT`` was written at the same time and run once at the end;
its figures are in ``docs/explanation/models.md``.
"""

from __future__ import annotations

HARMLESS, HARMFUL, NOTICE, SPAM = "harmless", "harmful", "notice", "spam"

TUNE: dict[str, tuple[str, ...]] = {
    HARMLESS: (
        "\U0001f44d\U0001f44d\U0001f44d",
        "\u2764\ufe0f",
        "\U0001f595",
        "\U0001f602\U0001f602 \U0001f389!!!",
        ":-) :D",
        "1234 5678",
        "...?!",
        "My damn printer is jammed again.",
        "What a shitty day for a barbecue, it has been raining since six.",
        "Bloody hell, the bins were not emptied again.",
        "The bus is late again, this sucks.",
        "Stupid printer ate my flyer twice.",
        "Holy crap, the sunset tonight!",
        'Someone wrote "you are an idiot" on the fence, does anybody have paint?',
        "You are not an idiot, the form really is confusing.",
        "I was so stupid, I locked myself out.",
        "Thank you all, you are wonderful neighbors!",
    ),
    HARMFUL: (
        "You're such a pathetic loser.",
        "Shut up, you stupid cow, nobody asked you.",
        "You are a waste of space.",
        "Everybody here hates you, just move away.",
        "You disgust me.",
        "Go kill yourself.",
        "I will find you and hurt you.",
        "You people are vermin and should be wiped out.",
        "u r so dumb it hurts",
    ),
    NOTICE: (
        "Free sofa, ring 020 7946 0018 after six.",
        "Giving away a cot, 12 Mill Lane, call 07700 900123.",
        "Lost: grey cat with white paws near Elm Street. Please call 555-0147.",
        "Found a bunch of keys by the playground, text me on 07700 900456.",
        "Yard sale on Saturday, 4 Oak Road, phone 555 0199.",
        "Spare tomato plants, free to a good home, 718 555 0114.",
    ),
    SPAM: (
        "URGENT! You have won a 1,000 pound prize, call 09061701461 now to claim.",
        "Earn $5000 a week from home!!! Click http://easy-cash.example now",
        "Cheap loans, no credit check, apply at www.fast-loan.example today",
        "Free entry to win an iPhone, text WIN to 80082",
    ),
}
HELD_OUT: dict[str, tuple[str, ...]] = {
    HARMLESS: (
        "\U0001f44f\U0001f3fd\U0001f44f\U0001f3fd",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \u2705",
        "xD ;-P <3",
        "24/7",
        "\u00af\\_(\u30c4)_/\u00af",
        "This bloody wind took my fence down.",
        "Damn, I missed the farmers market.",
        "Ugh, the damn mosquitoes are back.",
        "Shit, I forgot to water the roses.",
        "That was a hell of a storm last night.",
        "The new traffic light is dumb, it stays red for ages.",
        'He called me "a worthless idiot" at the meeting and I am still shaking.',
        "My boss said I am useless, how do you cope with that?",
        "I feel like such a loser for killing my basil.",
        "Don't worry, you're not stupid at all.",
        "If you think you are an idiot for asking, don't: we all started there.",
        "You all did a great job at the clean-up!",
    ),
    HARMFUL: (
        "What a clown you are, honestly.",
        "You're a disgusting pig.",
        "Nobody in this street can stand you.",
        "Only a moron like you would park there.",
        "You absolute idiot, look what you did to the hedge.",
        "I hope you die slowly.",
        "You are all cockroaches.",
        "I'm going to smash your face in.",
        "Your kids are ugly and stupid, just like you.",
        "You have the brain of a potato, stop posting.",
    ),
    NOTICE: (
        "Free armchair, a bit worn, call 020 7946 0555.",
        "Our dog ran away near the canal, please call 07700 900789 if you see him.",
        "Moving out: bookshelf to give away, 27 Station Road, second floor, 555 0133.",
        "Found wallet at the bus stop, ask at 9 Birch Close or 555-0162.",
        "Babysitter wanted for Friday evening, phone 07700 900321.",
        "Two bags of compost left over, come to 3 Hill Street or call 01632 960 001.",
    ),
    SPAM: (
        "Congratulations, you are selected for a gift card, visit www.gift-win.example",
        "Make money fast with crypto, guaranteed profit, message me on telegram",
        "Hot singles near you, call 0906 555 0100, 1.50 p/min",
        "LAST CHANCE: 90% off designer watches, order now http://deals.example",
    ),
}
